"""Which token shows which cell, measured on towers whose answer is known."""

import numpy as np
import pytest
import torch

from pipeline.models import probe

SIZE, CELL = (60, 80), 10
ROWS, COLS = 6, 8


def tower(order, mixing=0.3, separators=()):
    """Features of a picture: each token the mean colours of its cell, plus a share of everything; separators fixed."""

    def show(pixels):
        cells = torch.from_numpy(pixels.astype(np.float32)).view(ROWS, CELL, COLS, CELL, 3)
        local = cells.permute(0, 2, 1, 3, 4).reshape(ROWS * COLS, -1) - 127.5
        found = (local + mixing * local.mean(0))[order]
        for place in separators:
            found = torch.cat([found[:place], torch.ones(1, found.shape[1]), found[place:]])
        return found

    return show


def measured(show, rows=ROWS, cols=COLS):
    tokens = probe.alive(show, *SIZE)
    return probe.table(show, tokens, SIZE, SIZE, rows, cols)


@pytest.mark.parametrize("mixing", [0.0, 1.0, 5.0])
def test_any_order_is_found(mixing):
    order = torch.randperm(ROWS * COLS, generator=torch.Generator().manual_seed(0))
    assert measured(tower(order, mixing)).flatten().tolist() == order.argsort().tolist()


def test_columns_first_is_told_from_rows_first():
    columns_first = torch.arange(ROWS * COLS).view(ROWS, COLS).T.flatten()
    expected = torch.arange(ROWS * COLS).view(COLS, ROWS).T
    assert torch.equal(measured(tower(columns_first)), expected)


def test_separators_are_left_out():
    order = torch.arange(ROWS * COLS)
    show = tower(order, separators=[COLS, 2 * COLS + 1])
    assert len(show(probe.noise(*SIZE, 0))) == ROWS * COLS + 2
    expected = [n + (n >= COLS) + (n >= 2 * COLS) for n in range(ROWS * COLS)]
    assert measured(show).flatten().tolist() == expected


def test_of_two_looks_the_last_counts():
    order = torch.arange(ROWS * COLS)
    assert torch.equal(measured(tower(torch.cat([order, order]))), order.view(ROWS, COLS) + ROWS * COLS)


@pytest.mark.parametrize("spoil", ["pooled", "twice", "wrong shape"])
def test_what_is_no_grid_is_refused(spoil):
    order = torch.arange(ROWS * COLS)
    whole = tower(order)

    def pooled(pixels):
        return whole(pixels).mean(0).expand(ROWS * COLS, -1)

    show = {"pooled": pooled, "twice": tower(order // 2 * 2), "wrong shape": whole}[spoil]
    with pytest.raises(ValueError, match="no grid of"):
        measured(show, *((COLS, ROWS) if spoil == "wrong shape" else (ROWS, COLS)))


def test_one_outlier_does_not_spoil_the_measurement():
    """A token that changes wildly with any change of the picture, as artefact tokens of trained towers do."""
    plain = tower(torch.arange(ROWS * COLS))

    def show(pixels):
        found = plain(pixels)
        wild = torch.from_numpy(np.random.default_rng(pixels.sum()).normal(0, 500, found.shape[1]))
        found[13] += wild.float()
        return found

    assert measured(show).flatten().tolist() == list(range(ROWS * COLS))


@pytest.mark.parametrize(("count", "side"), [(576, 24), (2 * 729, 27), (1, 1), (256, 16), (2, 1)])
def test_side_of_a_square_grid(count, side):
    assert probe.square(count) == side


@pytest.mark.parametrize("count", [0, 3, 577, 3 * 256])
def test_no_square_grid(count):
    with pytest.raises(ValueError, match=f"^{count} tokens"):
        probe.square(count)
