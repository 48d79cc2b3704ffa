"""Cases of the windowed kinds whose fields must suit one another more closely than chance has it."""

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from archcalc.layers.upsample import Mode, Upsample
from tests.layers.strategies import CRAFTED, Case

MODES: dict[int, tuple[Mode, ...]] = {
    1: ("nearest", "linear"),
    2: ("nearest", "bilinear", "bicubic"),
    3: ("nearest", "trilinear"),
}
"""By the number of dimensions, how PyTorch interpolates."""


def upsamples(most: int = 6) -> SearchStrategy[Case]:
    """Interpolations and inputs that fit them; sizes to `most`."""
    return st.integers(1, 3).flatmap(lambda dimensions: _upsamples(dimensions, most))


@st.composite
def _upsamples(draw: DrawFn, dimensions: int, most: int) -> Case:
    mode = draw(st.sampled_from(MODES[dimensions]))
    one = st.integers(1, 4)
    extent = draw(one if dimensions == 1 else one | st.tuples(*[one] * dimensions))
    scale, size = draw(st.sampled_from(((extent, None), (None, extent))))
    layer = Upsample(scale, size, mode, align_corners=mode != "nearest" and draw(st.booleans()))
    return Case(layer, (draw(st.tuples(st.integers(1, 4), *[st.integers(1, most)] * dimensions)),))


CRAFTED["upsample"] = upsamples()
