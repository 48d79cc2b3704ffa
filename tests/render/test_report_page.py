"""archcalc report: the page is whole without a script, runs nothing of a spec's, and works in a real browser."""

import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archcalc.engine.stages import stages
from archcalc.render.page.treemap import Box, squarified, treemap
from tests.running import piped
from tests.specs_helper import report

HOSTILE = """
name: "<b>hostile</b>"
title: "</title><script>document.title='pwned'</script>"
input: [3, 8, 8]
layers:
  - conv: {name: "<script>alert(1)</script>", filters: 4, kernel: 1}
  - relu: {name: "x\\" onmouseover=\\"alert(2)"}
  - conv: {name: "</svg><img src=http://example.org/x onerror=alert(3)>.a", filters: 2, kernel: 1}
  - conv: {name: "javascript:alert(4) & 'é' {{7*7}}", filters: 2, kernel: 1}
"""
VOID = {"meta", "input", "rect", "path", "br"}


class Balanced(HTMLParser):
    """Reads a page, and fails where an element is not closed as it was opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(text: str) -> Balanced:
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    return parser


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    (folder / "hostile.yaml").write_text(HOSTILE, encoding="utf-8")
    for name, specs in {
        "one": ["resnet18"],
        "several": ["alexnet", "vgg16", "resnet18"],
        "hostile": ["hostile.yaml"],
        "long": ["resnet152"],
    }.items():
        result = piped("report", *specs, "-o", folder / f"{name}.html", cwd=folder)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    return folder


@pytest.mark.parametrize("name", ["one", "several", "hostile", "long"])
def test_a_page_is_well_formed_and_needs_nothing_else(pages: Path, name: str) -> None:
    path = pages / f"{name}.html"
    assert path.stat().st_size < 2**20
    found = read(path.read_text(encoding="utf-8"))
    outside = ("src", "href", "action", "style", "srcset", "data", "xlink:href")
    assert {attributes[key] for _, attributes in found.tags for key in outside if key in attributes} <= {
        f"#net{i}" for i in range(3)
    }
    assert not [key for _, attributes in found.tags for key in attributes if key.startswith("on")]
    assert [tag for tag, _ in found.tags].count("script") == 1
    policy = next(attributes["content"] for _, attributes in found.tags if "http-equiv" in attributes)
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


def test_the_table_is_whole_without_a_script(pages: Path) -> None:
    text = (pages / "one.html").read_text(encoding="utf-8")
    rows = re.findall(r'<tr><td class="words" data-value="([^"]*)">', text)
    assert len(rows) == 69
    assert rows[0] == "conv1"
    assert 'data-value="118013952"' in text


def test_wrong_usage_writes_nothing(tmp_path: Path) -> None:
    result = piped("report", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    result = piped("report", "alexnet", "nonsense", "-o", "x.html", cwd=tmp_path)
    assert (result.returncode, list(tmp_path.iterdir())) == (2, [])


@given(st.lists(st.integers(0, 1000), max_size=20).map(lambda values: sorted(values, reverse=True)))
def test_areas_are_in_proportion_and_inside(values: list[int]) -> None:
    box = Box(10, 20, 300, 100)
    parts = squarified(values, box)
    assert len(parts) == len(values)
    total = sum(values)
    for value, part in zip(values, parts, strict=True):
        assert part.width * part.height == pytest.approx(30_000 * value / total if total else 0, abs=1e-6)
        assert part.x >= 10 - 1e-6
        assert part.y >= 20 - 1e-6
        assert part.x + part.width <= 310 + 1e-6
        assert part.y + part.height <= 120 + 1e-6
    for i, a in enumerate(parts):
        for b in parts[:i]:
            across = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
            along = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
            assert min(across, along) <= 1e-6


def test_a_treemap_of_nothing() -> None:
    assert "<rect" not in treemap(stages(report("input: [4]\nlayers: [relu]\n").layers), "params", "nothing")


# In a browser.


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="NO BROWSER: playwright is not installed")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("NO BROWSER: neither chromium nor google-chrome is here, the page was not tried in one")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    page = browser.new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("dialog", lambda dialog: (page.complaints.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: None if request.url.startswith("file:") else page.complaints.append(request.url))
    yield page
    assert page.complaints == []
    page.close()


def column(tab: Any, number: int) -> list[str]:
    found: list[str] = tab.eval_on_selector_all(
        "table.layers:first-of-type tbody tr:not([hidden])",
        f"rows => rows.map(row => row.cells[{number}].dataset.value)",
    )
    return found


def test_sorting(pages: Path, tab: Any) -> None:
    tab.goto((pages / "one.html").as_uri())
    original = column(tab, 0)
    tab.get_by_role("button", name="FLOPs").click()
    figures = [int(value) for value in column(tab, 5)]
    assert figures == sorted(figures, reverse=True)
    assert figures[0] > figures[-1]
    assert tab.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    tab.get_by_role("button", name="FLOPs").click()
    assert [int(value) for value in column(tab, 5)] == sorted(figures)
    tab.get_by_role("button", name="kind").click()
    assert column(tab, 1) == sorted(column(tab, 1))
    assert sorted(column(tab, 0)) == sorted(original)


def test_filtering(pages: Path, tab: Any) -> None:
    tab.goto((pages / "one.html").as_uri())
    field = tab.get_by_label("Filter the layers of resnet18")
    field.fill("layer2 batchnorm")
    assert column(tab, 1) == ["batchnorm"] * 5
    assert tab.get_by_role("status").inner_text() == "5 of 69 layers"
    field.fill("")
    assert len(column(tab, 0)) == 69


def test_the_keyboard_does_it_all(pages: Path, tab: Any) -> None:
    tab.goto((pages / "one.html").as_uri())
    focused = []
    for _ in range(20):
        tab.keyboard.press("Tab")
        focused.append(
            tab.evaluate("document.activeElement.tagName + ' ' + (document.activeElement.textContent || '')")
        )
        if focused[-1] == "BUTTON params":
            tab.keyboard.press("Enter")
            break
    assert focused[-1] == "BUTTON params"
    assert tab.locator("th[aria-sort]").inner_text().startswith("params")
    assert any(name.startswith("g layer3: ") for name in focused)  # a stage of the treemap


def visible(tab: Any) -> list[str]:
    return [cost for cost in ("memory", "params", "flops") if tab.locator(f"figure.{cost}").is_visible()]


def test_the_treemap_shows_what_is_chosen(pages: Path, tab: Any) -> None:
    tab.goto((pages / "one.html").as_uri())
    assert [tab.locator(f"figure.{cost}").is_visible() for cost in ("memory", "params", "flops")] == [
        False,
        False,
        True,
    ]
    tab.get_by_role("radio", name="params").check()
    assert [tab.locator(f"figure.{cost}").is_visible() for cost in ("memory", "params", "flops")] == [
        False,
        True,
        False,
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(pages: Path, browser: Any, scheme: Any) -> None:
    page = browser.new_page(color_scheme=scheme, viewport={"width": 390, "height": 800})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto((pages / "several.html").as_uri())
    ink, paper = (
        sum(map(int, re.findall(r"\d+", page.evaluate(f"getComputedStyle(document.body).{key}"))[:3]))
        for key in ("color", "backgroundColor")
    )
    assert (ink > paper) == (scheme == "dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390  # wide tables scroll by themselves
    assert complaints == []
    page.close()


def test_names_do_nothing(pages: Path, tab: Any) -> None:
    tab.goto((pages / "hostile.html").as_uri())
    assert tab.title() == "</title><script>document.title='pwned'</script>"
    assert column(tab, 0)[0] == "<script>alert(1)</script>"
    assert tab.locator("img").count() == 0
    tab.locator("tbody tr").nth(12).hover()
