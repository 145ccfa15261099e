"""Distributions draw what W&B documents, and refuse what it does not have."""

import math

import numpy as np
import pytest

from pipeline.sweep.parameters import QUANTISED, RANGES, parameter

ENDS = {"min": 0.1, "max": 0.9}


@pytest.mark.parametrize(
    ("content", "quartiles"),
    [
        ({"value": "x"}, ["x", "x", "x"]),
        ({"values": ["a", "b", "c", "d"]}, ["b", "c", "d"]),
        ({"values": ["a", "b"], "probabilities": [0.25, 0.75]}, ["b", "b", "b"]),
        ({"min": 1, "max": 4}, [1, 2, 3]),
        ({"min": 1.0, "max": 4.0}, [1.75, 2.5, 3.25]),
        ({"distribution": "uniform", "min": 1, "max": 5}, [2.0, 3.0, 4.0]),
        ({"distribution": "q_uniform", "min": 0, "max": 1, "q": 0.1}, [0.2, 0.5, 0.8]),
        ({"distribution": "q_uniform", "min": 0, "max": 100}, [25, 50, 75]),
        ({"distribution": "log_uniform_values", "min": 1.0, "max": 16.0}, [2.0, 4.0, 8.0]),
        ({"distribution": "log_uniform", "min": 0.0, "max": math.log(16)}, [2.0, 4.0, 8.0]),
        ({"distribution": "inv_log_uniform", "min": -math.log(16), "max": 0.0}, [2.0, 4.0, 8.0]),
        ({"distribution": "inv_log_uniform_values", "min": 1.0, "max": 16.0}, [2.0, 4.0, 8.0]),
        ({"distribution": "q_log_uniform_values", "min": 1, "max": 16, "q": 3}, [3, 3, 9]),
        ({"distribution": "normal", "mu": 3}, [3 - 0.6744897501960817, 3.0, 3 + 0.6744897501960817]),
        ({"distribution": "log_normal"}, [math.exp(-0.6744897501960817), 1.0, math.exp(0.6744897501960817)]),
        ({"distribution": "q_normal", "mu": 2, "sigma": 10, "q": 5}, [-5, 0, 10]),
        ({"distribution": "beta"}, [0.25, 0.5, 0.75]),
    ],
)
def test_quartiles_are_those_of_the_distribution(content: dict, quartiles: list) -> None:
    found = [parameter("x", content).at(share) for share in (0.25, 0.5, 0.75)]
    assert found == (quartiles if isinstance(quartiles[0], str) else pytest.approx(quartiles, rel=1e-12))
    assert [type(value) for value in found] == [type(value) for value in quartiles]


@pytest.mark.parametrize("law", [*RANGES, *(f"q_{law}" for law in QUANTISED)])
def test_shares_and_values_belong_together_and_ends_are_finite(law: str) -> None:
    ends = {"min": 1, "max": 9} if law == "int_uniform" else ENDS
    settings = {} if law.removeprefix("q_") in ("normal", "log_normal", "beta") else ends
    content = {"distribution": law, **settings, **({"q": 0.01} if law.startswith("q_") else {})}
    one = parameter("x", content)
    for share in (0.2, 0.5, 0.8):
        assert one.at(one.share(one.at(share))) == pytest.approx(one.at(share))
    assert np.isfinite([one.at(0), one.at(1)]).all()
    assert not one.categories


def test_categories_are_known_by_their_index_and_never_of_probability_0() -> None:
    one = parameter("x", {"values": [[1.0], None, "a"], "probabilities": [0, 1, 0]})
    assert [one.at(share) for share in (0, 0.5, 1)] == [None, None, None]
    assert [one.share(value) for value in ([1.0], None, "a")] == [0, 1, 2]


@pytest.mark.parametrize(
    ("content", "values"),
    [
        ({"min": 2, "max": 4}, [2, 3, 4]),
        ({"distribution": "q_uniform", "min": 0.1, "max": 0.5, "q": 0.1}, [0.1, 0.2, 0.3, 0.4]),
        ({"distribution": "q_uniform", "min": 1, "max": 9, "q": 4}, [1, 5]),
        ({"value": None}, [None]),
        ({"min": 0.0, "max": 1.0}, None),
        ({"distribution": "q_normal"}, None),
    ],
)
def test_a_grid_takes_what_can_be_listed(content: dict, values: list | None) -> None:
    found = parameter("x", content).values
    assert values == (found if found is None else list(found))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a b", {"value": 1}, "letters"),
        ("x", 3, "expected a mapping"),
        ("x", {"parameters": {"y": {"value": 1}}}, "flat"),
        ("x", {"distribution": "poisson", "mu": 1}, "'poisson' is not one of"),
        ("x", {"distribution": "q_beta_2"}, "'q_beta_2'"),
        ("x", {"values": []}, "a list of values"),
        ("x", {"distribution": "constant"}, "constant wants a value"),
        ("x", {"values": [1], "min": 2}, "categorical has no min"),
        ("x", {"values": [1, 2], "probabilities": [1]}, "as many probabilities"),
        ("x", {"values": [1, 2], "probabilities": [-1, 2]}, "not negative"),
        ("x", {"values": [1, 2], "probabilities": [1, 3]}, "add up to 1"),
        ("x", {"min": 1}, "uniform wants max"),
        ("x", {"min": 2, "max": 1}, "min is to be below max"),
        ("x", {"min": "1e-5", "max": 1}, "write 1.0e-5"),
        ("x", {"min": True, "max": 2}, "expected a number, not True"),
        ("x", {"min": 0, "max": 0.5}, "one of min and max is whole"),
        ("x", {"min": 0.5, "max": 2, "distribution": "int_uniform"}, "whole numbers"),
        ("x", {"min": 0, "max": 2, "q": 1}, "int_uniform has no q"),
        ("x", {"distribution": "normal", "sigma": 0}, "cannot be drawn"),
        ("x", {"distribution": "log_uniform_values", "min": 0, "max": 1}, "cannot be drawn"),
        ("x", {"distribution": "q_uniform", "min": 0, "max": 1, "q": 0}, "q is to be above 0"),
    ],
)
def test_what_is_wrong_is_said_with_the_name(name: str, content: object, said: str) -> None:
    with pytest.raises(ValueError, match=r"^parameters\.") as error:
        parameter(name, content)
    assert str(error.value).startswith(f"parameters.{name}: ")
    assert said in str(error.value)
