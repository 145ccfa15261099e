"""Numbers as a person writes them."""

import math


def number(value: float, digits: int = 3) -> str:
    """Return `value` rounded to so many digits, with commas between thousands and never with an exponent.

    Zeros behind the point are left out, as are places beyond the sixth: 1,720; 12.3; 0.5; 0.0042; <0.000001.
    """
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits - 1}e}")
    if abs(rounded) < 1e-6:
        return "<0.000001" if value > 0 else ">-0.000001"
    places = min(6, max(0, digits - 1 - math.floor(math.log10(abs(rounded)))))
    text = f"{rounded:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
