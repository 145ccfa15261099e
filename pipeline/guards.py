"""Tell what a constructor refuses of its parameters from its source: `if k < 1: raise ValueError(f"k: ...")`.

Such lines at the head of an `__init__` are worked out here, for values that are known, without importing the class. A
line that holds anything but comparisons of parameters and plain values is left to the constructor itself.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from pipeline import signatures

COMPARED: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}
JOINED: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.LShift: lambda one, other: one << min(other, 64),
}
NAMES = {"math.inf": math.inf}
CALLED: dict[str, Callable[..., Any]] = {"math.isfinite": math.isfinite, "all": all, "any": any, "len": len}


class UnknownError(Exception):
    """Raised for a line whose meaning is not known without running it."""


def refused(class_path: str, given: Mapping[str, Any]) -> str:
    """Return what the constructor of a class would say of the values that are given; nothing where it takes them.

    Of values that it hands on by `super().__init__`, under whatever name, the ancestor's lines count too.
    """
    try:
        source = signatures.find_class(class_path)
        chain = [] if source is None else [one for one in signatures.ancestors(source) if not isinstance(one, str)]
        values: Mapping[str, Any] = given
        for one in chain:
            init = next((n for n in one.node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
            if init is None:
                continue
            values = {name: value for name, value in values.items() if name in names(init)}
            if said := _refused(init, {**constants(one.module), **values}):
                return said
            values = _handed_on(init, values)
    except Exception:  # a stranger's source can hold anything, and importing it tells what is wrong
        return ""
    return ""


def constants(module: str) -> dict[str, Any]:
    """Return the plain values that a module gives to names, each once, such as `MOST = 1 << 15`."""
    tree = signatures.tree_of(module)
    if tree is None:
        return {}
    stored = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)]
    found: dict[str, Any] = {}
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
        if isinstance(node, ast.Assign) and isinstance(target, ast.Name) and stored.count(target.id) == 1:
            with suppress(UnknownError, TypeError, ValueError, ArithmeticError):
                found[target.id] = worked_out(node.value, found)
    return found


def names(init: ast.FunctionDef) -> list[str]:
    """Return the names of a constructor's parameters."""
    return [one.arg for one in (*init.args.args[1:], *init.args.kwonlyargs)]


def head(init: ast.FunctionDef) -> list[ast.stmt]:
    """Return the statements before the first that could give a parameter another value."""
    harmless = [isinstance(n, ast.Expr) or (isinstance(n, ast.If) and _raises(n)) for n in init.body]
    return init.body[: harmless.index(False) if False in harmless else None]


def _raises(node: ast.If) -> bool:
    """Return whether all that a line does is to raise an error."""
    return not node.orelse and len(node.body) == 1 and isinstance(node.body[0], ast.Raise)


def _refused(init: ast.FunctionDef, given: Mapping[str, Any]) -> str:
    for node in head(init):
        if not isinstance(node, ast.If):
            continue
        try:
            said = message(node.body[0])
            if said is not None and worked_out(node.test, given):
                return str(worked_out(said, given))
        except (UnknownError, TypeError, ValueError, ArithmeticError):
            continue
    return ""


def _handed_on(init: ast.FunctionDef, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that `super().__init__` is given by their names there, as they are."""
    for node in head(init):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            call = node.value
            if ast.unparse(call.func) == "super().__init__":
                pairs = [(one.arg, one.value) for one in call.keywords if one.arg]
                return {arg: given[v.id] for arg, v in pairs if isinstance(v, ast.Name) and v.id in given}
    return {}


def message(node: ast.stmt) -> ast.expr | None:
    """Return the text of `raise ValueError(text)`; None for another statement."""
    call = node.exc if isinstance(node, ast.Raise) else None
    named = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "ValueError"
    return call.args[0] if named and isinstance(call, ast.Call) and len(call.args) == 1 else None


def worked_out(node: ast.expr, known: Mapping[str, Any]) -> Any:
    """Return the value of an expression of parameters and plain values. Raises UnknownError for any other."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name) and node.id in known:
        return known[node.id]
    if isinstance(node, ast.Attribute) and ast.unparse(node) in NAMES:
        return NAMES[ast.unparse(node)]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return not worked_out(node.operand, known)
    if isinstance(node, ast.BinOp) and type(node.op) in JOINED:
        return JOINED[type(node.op)](worked_out(node.left, known), worked_out(node.right, known))
    if isinstance(node, ast.BoolOp):
        return _joined(node, known)
    if isinstance(node, ast.Compare):
        return _compared(node, known)
    if isinstance(node, ast.GeneratorExp) and len(node.generators) == 1:
        return _each(node, known)
    if isinstance(node, ast.Call) and not node.keywords and ast.unparse(node.func) in CALLED:
        return CALLED[ast.unparse(node.func)](*(worked_out(one, known) for one in node.args))
    if isinstance(node, ast.JoinedStr):
        return "".join(_part(part, known) for part in node.values)
    raise UnknownError(ast.unparse(node))


def _joined(node: ast.BoolOp, known: Mapping[str, Any]) -> Any:
    """Work out `a and b`, `a or b`."""
    stops = isinstance(node.op, ast.Or)
    value: Any = not stops
    for one in node.values:
        value = worked_out(one, known)
        if bool(value) is stops:
            return value
    return value


def _compared(node: ast.Compare, known: Mapping[str, Any]) -> bool:
    """Work out `a < b <= c`."""
    values = [worked_out(one, known) for one in (node.left, *node.comparators)]
    if any(type(kind) not in COMPARED for kind in node.ops):
        raise UnknownError(ast.unparse(node))
    pairs = zip(node.ops, values, values[1:], strict=False)
    return all(COMPARED[type(kind)](one, other) for kind, one, other in pairs)


def _each(node: ast.GeneratorExp, known: Mapping[str, Any]) -> list[Any]:
    """Work out `test(x) for x in values`."""
    one = node.generators[0]
    if not isinstance(one.target, ast.Name) or one.ifs:
        raise UnknownError(ast.unparse(node))
    name = one.target.id
    return [worked_out(node.elt, {**known, name: value}) for value in worked_out(one.iter, known)]


def _part(part: ast.expr, known: Mapping[str, Any]) -> str:
    """Work out a piece of an f-string."""
    if isinstance(part, ast.FormattedValue) and part.conversion in (-1, 114):
        value = worked_out(part.value, known)
        how = str(worked_out(part.format_spec, known)) if part.format_spec is not None else ""
        return format(repr(value) if part.conversion == 114 else value, how)
    return str(worked_out(part, known))
