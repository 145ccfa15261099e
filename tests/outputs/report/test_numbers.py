"""Numbers of discs: each is there once, and covers no other and no disc."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from pipeline.outputs.report import numbers
from pipeline.outputs.report.numbers import EDGE, SIZE, Disc
from pipeline.outputs.report.style import FAINT, INK, PAPER, figure

BESIDE = {"inside": PAPER, "beside": INK}


def written(discs: Sequence[Disc]) -> tuple[list[Annotation], list[Bbox], np.ndarray]:
    """Labels, the boxes of their texts, and the middles of the discs, in a plot of 0 to 100 either way."""
    with figure(5.4, 4.4) as drawn:
        axes = drawn.add_subplot()
        axes.set(xlim=(0, 100), ylim=(0, 100))
        drawn.draw_without_rendering()
        drawn.set_layout_engine("none")
        labels = numbers.write(axes, discs)
        drawn.draw_without_rendering()
        middles = axes.transData.transform([(disc.x, disc.y) for disc in discs])
    return labels, [Text.get_window_extent(label) for label in labels], middles


def told(labels: Sequence[Annotation]) -> list[list[int]]:
    """The numbers of each label."""
    return [[int(number) for number in label.get_text().split(",")] for label in labels]


def inside(label: Annotation) -> bool:
    return label.get_position() == (0, 0)


def crowd(count: int, spread: float) -> list[Disc]:
    places = np.random.default_rng(count).normal(50, spread, (count, 2)).clip(0, 100)
    return [Disc(x, y, at, **BESIDE) for at, (x, y) in enumerate(places, 1)]


ROWS = [Disc(60 + 0.3 * at, 50 + 2.5 * (at % 2), at, **BESIDE) for at in range(1, 13)]
"""Two heaps of discs, one above the other, that touch."""
CORNER = [Disc(100, 100 - at, at, **BESIDE) for at in range(1, 10)]


@pytest.mark.parametrize("discs", [crowd(24, 4), crowd(24, 1), crowd(60, 12), ROWS, CORNER, crowd(2, 1)])
def test_of_close_discs_every_number_is_there_once_and_nothing_is_covered(discs: list[Disc]) -> None:
    labels, boxes, middles = written(discs)
    assert sorted(number for label in told(labels) for number in label) == list(range(1, len(discs) + 1))
    assert not [(one, other) for one, other in combinations(boxes, 2) if one.overlaps(other)]
    for label, box in zip(labels, boxes, strict=True):
        away = np.hypot(*(middles - np.clip(middles, box.p0, box.p1)).T)
        under = [int(at) for at in np.flatnonzero(away < SIZE / 2) + 1]
        assert under == (told([label])[0] if inside(label) else []), label.get_text()


def test_a_number_is_in_its_disc_where_no_other_touches_it() -> None:
    labels, *_ = written([Disc(20, 20, 1, **BESIDE), Disc(80, 80, 2, **BESIDE), Disc(82, 80, 3, **BESIDE)])
    assert [inside(label) for label in labels] == [True, False, False]
    assert [label.get_color() for label in labels] == [PAPER, INK, INK]


def test_discs_that_hide_each_other_share_a_label_also_one_by_one() -> None:
    """The first and the last are further apart than two that share one, but what lies between joins them."""
    step = 100 * 0.45 * SIZE / (5.4 * 72)
    labels, *_ = written([Disc(50 + step * at, 50, at, **BESIDE) for at in (1, 3, 2)])
    assert told(labels) == [[1, 3, 2]]
    assert step * 2 * 5.4 * 72 / 100 > SIZE / 2


def test_ours_and_published_ones_on_the_same_place_have_their_own_labels() -> None:
    labels, *_ = written([Disc(50, 50, 1, **BESIDE), Disc(50, 50, 1, FAINT, FAINT)])
    assert [(label.get_text(), label.get_color(), inside(label)) for label in labels] == [
        ("1", INK, False),
        ("1", FAINT, False),
    ]


def test_many_numbers_of_one_place_take_several_lines() -> None:
    (label,), (box,), _ = written([Disc(50, 50, at, **BESIDE) for at in range(1, 41)])
    assert label.get_text().count("\n") >= 4
    assert box.width < 120


def test_a_number_is_no_wider_than_its_disc() -> None:
    _, (box,), _ = written([Disc(50, 50, 88, **BESIDE)])
    assert box.width <= SIZE + EDGE
