"""Which items of two sequences belong together: runs of equal ones, in time that stays near linear.

Where there is little to look at, it is `difflib` that decides, whose longest runs read well. Its time grows with the
cube of what repeats, though, as the blocks of networks do. Beyond a bounded amount of work, items that occur once in
either sequence are anchors (Bram Cohen's patience diff), and between them the shortest edit script is looked for
(Myers, "An O(ND) difference algorithm", 1986), as far as that is short; what is left is no run of anything.
"""

import difflib
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from itertools import accumulate
from typing import TypeAlias

MAX_PAIRS = 200_000
"""Up to how many pairs of equal items difflib is asked."""
MAX_WORK = 25 * MAX_PAIRS
"""How many items and pairs it may look at, in all of its passes."""
MAX_STEPS = 1_000_000
"""How many points the search for a shortest edit script may reach, over all gaps between anchors."""

Run: TypeAlias = tuple[int, int, int]
"""Where a run begins in the first and in the second sequence, and how long it is."""


def matching_runs(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[Run]:
    """Runs of equal items, in their order in both sequences.

    >>> matching_runs("abxcd", "abcd")
    [(0, 0, 2), (3, 2, 2)]
    """
    numbers: dict[Hashable, int] = {}
    first, second = ([numbers.setdefault(item, len(numbers)) for item in items] for items in (a, b))
    try:
        *runs, _ = _Longest(first, second).get_matching_blocks()
    except _TooMuchWorkError:
        return _Alignment(first, second).runs()
    return [(run.a, run.b, run.size) for run in runs]


class _TooMuchWorkError(Exception):
    """That difflib would take too long."""


class _Longest(difflib.SequenceMatcher[int]):
    """difflib's matcher, which gives up where it has looked at too much."""

    def __init__(self, a: list[int], b: list[int]) -> None:
        super().__init__(None, a, b, autojunk=False)
        there = Counter(b)
        pairs = [there[item] for item in a]
        if sum(pairs) > MAX_PAIRS:
            raise _TooMuchWorkError
        self._work = [0, *accumulate(count + 1 for count in pairs)]
        self._left = MAX_WORK

    def find_longest_match(
        self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None
    ) -> difflib.Match:
        self._left -= self._work[-1 if ahi is None else ahi] - self._work[alo]
        if self._left < 0:
            raise _TooMuchWorkError
        return super().find_longest_match(alo, ahi, blo, bhi)


class _Alignment:
    """Common ends, anchors, and shortest edit scripts between them."""

    def __init__(self, a: list[int], b: list[int]) -> None:
        self.a, self.b = a, b
        words = array("I", a), array("I", b)
        self.width = words[0].itemsize
        self.bytes_a, self.bytes_b = (word.tobytes() for word in words)  # slices of bytes compare at memory's speed
        self.left = MAX_STEPS

    def runs(self) -> list[Run]:
        found: list[Run] = []
        x = y = 0
        for anchor_x, anchor_y in (*self._anchors(), (len(self.a), len(self.b))):
            if anchor_x < x or anchor_y < y:
                continue  # a run has reached beyond it
            found += self._between(x, anchor_x, y, anchor_y)
            length = self._common(anchor_x, len(self.a), anchor_y, len(self.b))
            found.append((anchor_x, anchor_y, length))
            x, y = anchor_x + length, anchor_y + length
        return [run for run in found if run[2]]

    def _anchors(self) -> list[tuple[int, int]]:
        """Items that are there once in both, as many as stand in the same order: a longest increasing subsequence."""
        once_a, once_b = ({item for item, n in Counter(items).items() if n == 1} for items in (self.a, self.b))
        place = {item: y for y, item in enumerate(self.b) if item in once_b}
        both = [(x, place[item]) for x, item in enumerate(self.a) if item in once_a and item in place]
        lowest: list[int] = []  # of all subsequences of a length, the lowest last place
        ends: list[int] = []
        before: list[int] = []
        for i, (_, y) in enumerate(both):
            length = bisect_left(lowest, y)
            before.append(ends[length - 1] if length else -1)
            if length == len(lowest):
                lowest.append(y)
                ends.append(i)
            else:
                lowest[length], ends[length] = y, i
        chosen = []
        i = ends[-1] if ends else -1
        while i >= 0:
            chosen.append(both[i])
            i = before[i]
        return chosen[::-1]

    def _between(self, x: int, x_end: int, y: int, y_end: int) -> Iterator[Run]:
        """The runs of one gap: its common ends, and what the shortest edit script keeps."""
        head = self._common(x, x_end, y, y_end)
        yield x, y, head
        x, y = x + head, y + head
        tail = 0
        while x_end - tail > x and y_end - tail > y and self.a[x_end - tail - 1] == self.b[y_end - tail - 1]:
            tail += 1
        x_end, y_end = x_end - tail, y_end - tail
        if x < x_end and y < y_end:
            yield from self._kept(x, x_end, y, y_end)
        yield x_end, y_end, tail

    def _kept(self, x: int, x_end: int, y: int, y_end: int) -> list[Run]:
        """What the shortest edit script keeps; nothing where finding it would take too long."""
        counts = Counter(self.a[x:x_end])
        counts.subtract(self.b[y:y_end])
        fewest = sum(map(abs, counts.values()))
        if fewest * fewest > 2 * self.left:
            return []
        furthest = {1: x}  # on each diagonal, how far in `a` so many edits lead
        trace: list[dict[int, int]] = []
        for edits in range(x_end - x + y_end - y + 1):
            if self.left < edits:
                return []
            self.left -= edits + 1
            reached: dict[int, int] = {}
            for k in range(-edits, edits + 1, 2):
                down = k == -edits or (k != edits and furthest.get(k - 1, -1) < furthest.get(k + 1, -1))
                at = furthest.get(k + 1, x) if down else furthest[k - 1] + 1
                other = at - x - k + y
                if at <= x_end and other <= y_end:
                    at += self._common(at, x_end, other, y_end)
                reached[k] = at
                if at >= x_end and at - x - k + y >= y_end:
                    return self._walked_back([*trace, reached], x, y, k)
            trace.append(reached)
            furthest = reached
        raise AssertionError("every sequence can be edited into any other")

    def _walked_back(self, trace: list[dict[int, int]], x: int, y: int, k: int) -> list[Run]:
        """The runs along the way to the last point of a trace, on diagonal `k`."""
        runs: list[Run] = []
        for edits in range(len(trace) - 1, 0, -1):
            end, furthest = trace[edits][k], trace[edits - 1]
            down = k == -edits or (k != edits and furthest.get(k - 1, -1) < furthest.get(k + 1, -1))
            begin = furthest[k + 1] if down else furthest[k - 1] + 1
            runs.append((begin, begin - x - k + y, end - begin))
            k += 1 if down else -1
        runs.append((x, y, trace[0][0] - x))
        return runs[::-1]

    def _common(self, x: int, x_end: int, y: int, y_end: int) -> int:
        """How long the run of equal items is that begins here, found in steps that double, then halve."""
        most, length, step, is_growing, width = min(x_end - x, y_end - y), 0, 1, True, self.width
        while step and length < most:
            size = min(step, most - length)
            i, j = width * (x + length), width * (y + length)
            if self.bytes_a[i : i + width * size] == self.bytes_b[j : j + width * size]:
                length += size
            else:
                is_growing = False
            step = 2 * step if is_growing else step // 2
        return length
