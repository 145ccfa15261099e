"""Numbers as a person writes them."""

import pytest

from pipeline.notation import number


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
