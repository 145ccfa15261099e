"""Numbers as a person writes them."""

import pytest

from pipeline.notation import interval, number, percent, points


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (1720.4, "1,720"),
        (1723.0, "1,720"),
        (1234567.0, "1,230,000"),
        (999.6, "1,000"),
        (100.0, "100"),
        (9.999, "10"),
        (12.345, "12.3"),
        (0.5, "0.5"),
        (0.00424, "0.00424"),
        (1.23e-5, "0.000012"),
        (1e-9, "<0.000001"),
        (-1720.4, "-1,720"),
        (0.0, "0"),
        (float("nan"), "–"),
        (float("inf"), "–"),
    ],
)
def test_no_number_has_an_exponent(value: float, told: str) -> None:
    assert number(value) == told


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.0123, "+1.23"),
        (-0.0006, "-0.06"),
        (-4e-5, "-<0.01"),
        (4e-5, "+<0.01"),
        (0.0, "0.00"),
        (-0.0, "0.00"),
        (None, "–"),
        (float("nan"), "–"),
    ],
)
def test_a_difference_that_is_not_zero_shows_its_sign(value: float | None, told: str) -> None:
    assert points(value) == told


def test_an_interval_is_written_as_its_figure_is() -> None:
    """A figure of 99.98 lies in its interval as both are read."""
    figure = {"value": 0.9998, "low": 0.9995, "high": 0.99996}
    assert (percent(figure["value"]), interval(figure)) == ("99.98", "[99.95, 100.00]")
    assert interval({"low": -0.01, "high": 0.02}, points) == "[-1.00, +2.00]"
    assert interval({"low": None, "high": None}) == ""
    assert percent(None) == percent(float("nan")) == "–"
