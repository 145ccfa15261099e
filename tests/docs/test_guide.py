"""What the guide's extension writes: tables, types, formulae."""

from collections.abc import Sequence
from typing import Literal

import pytest
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml

from docs import guide
from pipeline.explainers.base import Explainer
from pipeline.explainers.msea import MSEA
from pipeline.explainers.tam import TAM


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (Literal["mean", "max"], "`mean` or `max`"),
        (float | None, "float or null"),
        (Sequence[float], "list of float"),
        (Literal["last"] | Sequence[int], "`last` or list of int"),
        (Explainer, "an explainer"),
    ],
)
def test_types_are_spelled_as_in_yaml(hint: object, expected: str) -> None:
    assert guide.kind(hint) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [((0.5, 1.0), "[0.5, 1.0]"), (None, "null"), (True, "true"), ("end", "end")]
)
def test_values_are_spelled_as_in_yaml(value: object, expected: str) -> None:
    assert guide.spelled(value) == expected


def test_a_table_of_parameters() -> None:
    assert "| `base` | an explainer | required |" in guide.parameters(MSEA)
    assert "| `compat` | bool | `false` | the public code" in guide.parameters(TAM)


def test_a_parameter_that_no_docstring_explains_is_refused() -> None:
    class Silent(TAM):
        """Nothing about it."""

        def __init__(self, *, loud: bool = False) -> None: ...

    with pytest.raises(ValueError, match="'loud'"):
        guide.parameters(Silent)


def test_bars_do_not_break_a_table() -> None:
    assert guide.table(["a"], [["x | y\nz"]]) == "| a |\n| --- |\n| x \\| y z |"


def test_a_formula_that_cannot_be_rendered_stops_the_build() -> None:
    assert "<math" in tex2mathml(r"\frac{1}{2}")
    with pytest.raises(MathError):
        tex2mathml(r"\nosuchcommand{x}")
