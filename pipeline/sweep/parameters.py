"""What a parameter of a sweep may be, in W&B's words: a value, values, a distribution."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np
from scipy import stats

RANGES: dict[str, Callable[..., Any]] = {
    "uniform": lambda min, max: stats.uniform(min, max - min),
    "int_uniform": lambda min, max: stats.randint(min, max + 1),
    "log_uniform": lambda min, max: stats.loguniform(math.exp(min), math.exp(max)),
    "log_uniform_values": lambda min, max: stats.loguniform(min, max),
    "inv_log_uniform": lambda min, max: stats.loguniform(math.exp(-max), math.exp(-min)),
    "inv_log_uniform_values": lambda min, max: stats.loguniform(min, max),
    "normal": lambda mu=0.0, sigma=1.0: stats.norm(mu, sigma),
    "log_normal": lambda mu=0.0, sigma=1.0: stats.lognorm(sigma, scale=math.exp(mu)),
    "beta": lambda a=1.0, b=1.0: stats.beta(a, b),
}
"""W&B's distributions of numbers, by the names of their settings."""
QUANTISED = ("uniform", "log_uniform", "log_uniform_values", "normal", "log_normal", "beta")
"""Of these there is also `q_...`, rounded to multiples of q (default 1)."""
CHOICES = ("constant", "categorical", "categorical_w_probabilities")
KNOWN = (*CHOICES, *RANGES, *(f"q_{law}" for law in QUANTISED))


@dataclass(frozen=True)
class Parameter:
    """What one parameter may be.

    at: the value at a share, in [0, 1], of the distribution. share: the reverse. values: all, where they can be listed.
    categories: whether they have no order.
    """

    at: Callable[[float], Any]
    share: Callable[[Any], float]
    values: Sequence[Any] | None = None
    categories: bool = False

    def admits(self, value: Any) -> bool:
        """Return whether a trial may have `value`: one of the categories, else a number between the ends of the
        distribution, whole where that is."""
        if self.categories:
            return any(type(one) is type(value) and one == value for one in self.values or ())
        low, high = self.at(0), self.at(1)
        room = 1e-6 * (high - low)  # the ends themselves are not drawn
        plain = type(value) in (int, float) and (type(value) is int or type(low) is float)
        return plain and math.isfinite(value) and bool(low - room <= value <= high + room)


def parameter(name: str, content: Any) -> Parameter:
    """One parameter from W&B's keys. Raises ValueError beginning with its name."""
    try:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name):
            raise ValueError("letters, digits, `_`, `.` and `-` make a name")
        if not isinstance(content, Mapping):
            raise ValueError(f"expected a mapping such as {{values: [1, 2]}}, not {content!r}")
        if "parameters" in content:
            raise ValueError("nested parameters are written flat here, with dots in the name")
        settings = dict(content)
        law = settings.pop("distribution", None) or _default(settings)
        if law not in KNOWN:
            raise ValueError(f"distribution {law!r} is not one of {', '.join(KNOWN)}")
        return _choice(law, settings) if law in CHOICES else _range(law, settings)
    except ValueError as error:
        raise ValueError(f"parameters.{name}: {error}") from error


def number(value: Any) -> Any:
    """`value` if it is a finite number. Raises ValueError; yaml takes 1e-5 for a word."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        hint = " (write 1.0e-5)" if isinstance(value, str) and re.match(r"[\d.+-]+e", value) else ""
        raise ValueError(f"expected a number, not {value!r}{hint}")
    return value


def _default(settings: Mapping[str, Any]) -> str:
    """The distribution that W&B takes where none is named."""
    if "value" in settings:
        return "constant"
    if "values" in settings:
        return "categorical_w_probabilities" if "probabilities" in settings else "categorical"
    ends = {type(settings[end]) for end in ("min", "max") if end in settings}
    if ends == {int, float}:
        raise ValueError("one of min and max is whole, the other is not: write both alike, or name the distribution")
    return "int_uniform" if ends == {int} else "uniform"


def _choice(law: str, settings: dict[str, Any]) -> Parameter:
    """One of some values, with equal or given probabilities."""
    if law == "constant" and "value" in settings:
        settings["values"] = [settings.pop("value")]
    values = settings.pop("values", None)
    if not isinstance(values, list) or not values:
        raise ValueError(f"{law} wants {'a value' if law == 'constant' else 'a list of values'}")
    weights = settings.pop("probabilities", [1 / len(values)] * len(values))
    if settings:
        raise ValueError(f"{law} has no {min(settings)}")
    if not isinstance(weights, list) or len(weights) != len(values):
        raise ValueError(f"as many probabilities as values, got {weights!r}")
    if min(map(number, weights)) < 0 or not math.isclose(sum(weights), 1, rel_tol=1e-5):
        raise ValueError(f"probabilities are not negative and add up to 1, got {weights}")
    edges = np.cumsum(weights) / sum(weights)

    def at(share: float | int) -> Any:
        return values[int(np.searchsorted(edges, _inside(share), side="right"))]

    return Parameter(at, values.index, values, categories=True)


def _range(law: str, settings: dict[str, Any]) -> Parameter:
    """A distribution of numbers; quantised ones take multiples of q."""
    step = number(settings.pop("q", 1)) if law.startswith("q_") else None
    plain = law.removeprefix("q_")
    known = signature(RANGES[plain]).parameters
    if wrong := settings.keys() - known.keys():
        raise ValueError(f"{law} has no {min(wrong)}; it has {', '.join(known)}{', q' if step else ''}")
    if missing := [name for name, one in known.items() if one.default is one.empty and name not in settings]:
        raise ValueError(f"{law} wants {' and '.join(missing)}; or give value or values")
    numbers = {name: number(value) for name, value in settings.items()}
    whole = plain == "int_uniform"
    if whole and not all(isinstance(one, int) for one in numbers.values()):
        raise ValueError(f"int_uniform wants whole numbers, got {numbers['min']} and {numbers['max']}")
    if "min" in numbers and numbers["min"] >= numbers["max"]:
        raise ValueError(f"min is to be below max, got {numbers['min']} and {numbers['max']}")
    if step is not None and step <= 0:
        raise ValueError(f"q is to be above 0, got {step}")
    frozen = RANGES[plain](**numbers)
    with np.errstate(invalid="ignore"):
        middle = frozen.ppf(0.5)
    if not math.isfinite(middle):
        raise ValueError(f"{law} cannot be drawn from with {numbers}")

    def at(share: float | int) -> float | int:
        drawn = float(frozen.ppf(_inside(share)))
        if step is not None:
            return _tidy(round(drawn / step) * step)
        return int(drawn) if whole else drawn

    return Parameter(at, lambda value: float(frozen.cdf(value)), _listed(plain, numbers, step))


def _listed(law: str, numbers: Mapping[str, Any], step: float | int | None) -> Sequence[Any] | None:
    """What a grid takes of a range, as W&B does: all whole numbers; or min, min + q, ... below max."""
    if law == "int_uniform":
        return range(numbers["min"], numbers["max"] + 1)
    if law == "uniform" and step is not None:
        return [_tidy(one) for one in np.arange(numbers["min"], numbers["max"], step).tolist()]
    return None


def _inside(share: float | int) -> float:
    """Off the ends, where some distributions are infinite."""
    return min(max(share, 1e-9), 1 - 1e-9)


def _tidy(value: float | int) -> float | int:
    """Without the last bits that a product or a sum of decimals leaves."""
    return value if isinstance(value, int) else float(f"{value:.12g}")
