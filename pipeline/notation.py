"""Numbers as a person writes them: one way for the terminal, the page and the documentation."""

import math
from collections.abc import Callable, Mapping
from typing import Any

ABSENT = "–"
"""Stands where there is no figure."""


def percent(share: float | int | None) -> str:
    """Return a share in [0, 1] in percent, with two decimals as published tables have: 51.19."""
    return ABSENT if share is None or math.isnan(share) else f"{100 * share:.2f}"


def points(change: float | int | None) -> str:
    """Return a difference of shares in percentage points, with its sign and two decimals.

    What is not zero shows its sign, as `+<0.01` where two decimals are zeros.
    """
    if change is None or math.isnan(change):
        return ABSENT
    text = f"{100 * change:+.2f}"
    if change == 0:
        return text.lstrip("+-")
    return text if float(text) else ("+<0.01" if change > 0 else "-<0.01")


def interval(figure: Mapping[str, Any], written: Callable[[Any], str] = percent, between: str = ", ") -> str:
    """Return the interval of a figure as `[49.59, 52.65]`; nothing where it has none.

    written: how its ends are written, as the figure itself is. between: what parts them.
    """
    return "" if figure["low"] is None else f"[{written(figure['low'])}{between}{written(figure['high'])}]"


def number(value: float, digits: int = 3) -> str:
    """Return `value` rounded to so many digits, with commas between thousands and never with an exponent.

    Zeros behind the point are left out, as are places beyond the sixth: 1,720; 12.3; 0.5; 0.0042; <0.000001.
    """
    if not math.isfinite(value):
        return ABSENT
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits - 1}e}")
    if abs(rounded) < 1e-6:
        return "<0.000001" if value > 0 else ">-0.000001"
    places = min(6, max(0, digits - 1 - math.floor(math.log10(abs(rounded)))))
    text = f"{rounded:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
