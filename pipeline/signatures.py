"""The parameters of a class, read from its source without importing it: importing torch alone costs a second.

What cannot be read for certain is None, and left to whoever imports the class.
"""

import ast
import collections.abc
import operator
import re
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, reduce
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pipeline.refused import near

SIMPLE = {"int": int, "float": float, "str": str, "bool": bool, "list": list, "dict": dict, "tuple": tuple}
TYPING = {"Literal", "Union", "Optional", "Sequence", "Iterable", "Mapping"}
PLAIN_BASES = {"abc.ABC", "typing.Protocol", "typing.Generic", "builtins.object"}
KEEPS_SIGNATURE = {"_defaults_from_env_vars"}
"""Decorators of `__init__` behind which its parameters are those that are written."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a class. hint: its type; None where that is not made of plain types. needed: whether it has no
    default."""

    name: str
    hint: Any
    needed: bool


@dataclass(frozen=True)
class Source:
    """A class as it is written, and the module in which that is."""

    module: str
    node: ast.ClassDef

    @property
    def path(self) -> str:
        """Its class path."""
        return f"{self.module}.{self.node.name}"


def parameters(class_path: str) -> dict[str, Parameter] | None:
    """Return the parameters of the constructor by name; None where they cannot be read for certain."""
    try:
        source = find_class(class_path)
        return None if source is None else constructor(source)
    except Exception:  # a stranger's source can hold anything, and importing it tells what is wrong
        return None


def derives(class_path: str, base: str) -> bool | None:
    """Return whether a class derives from `base`; None where its ancestors cannot be read for certain."""
    try:
        source = find_class(class_path)
        found = None if source is None else [one if isinstance(one, str) else one.path for one in ancestors(source)]
    except Exception:  # as above
        return None
    if found is not None and base in found:
        return True
    return None if found is None or set(found) - PLAIN_BASES - {one for one in found if find_class(one)} else False


def class_named(name: str, package: str) -> str | None:
    """Return the path of the class `name` that a module of `package` defines; None where none does."""
    folder = file_of(package)
    for path in sorted(folder.parent.glob("*.py")) if folder else ():
        if re.search(rf"^class {re.escape(name)}\b", path.read_text(encoding="utf-8"), re.MULTILINE):
            return f"{package}.{path.stem}.{name}"
    return None


def importable(class_path: str) -> bool:
    """Return whether `class_path` looks like one, and its first module can be found."""
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)+", class_path):
        return False
    try:
        return find_spec(class_path.partition(".")[0]) is not None
    except (ImportError, ValueError):
        return False


def missing(class_path: str) -> str | None:
    """Return why there is no such class; None where there is one, or where that cannot be read for certain."""
    try:
        module, _, name = class_path.rpartition(".")
        tree, package = tree_of(module), file_of(module.rpartition(".")[0])
        if tree is None:
            lying = package is None or any(package.parent.glob(f"{module.rpartition('.')[2]}*"))
            return None if lying or not is_package(module.rpartition(".")[0]) else f"there is no module {module}"
        certain = all(isinstance(node, (*SETTLED, ast.Import, ast.ImportFrom)) for node in tree.body)
        names = names_of(module) | set(imports(module))
        if not certain or names & {name, "*", "__getattr__"} or (file_of(class_path) is not None):
            return None
        classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
        return f"{module} has no {name}{near(name, classes)}"
    except Exception:  # as above
        return None


def find_class(class_path: str, depth: int = 8) -> Source | None:
    """Return a class by its path, also where its module imports it from another one."""
    module, _, name = class_path.rpartition(".")
    tree = tree_of(module)
    if tree is None or not depth:
        return None
    node = next((node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name), None)
    if node is not None:
        return Source(module, node)
    origin = imports(module).get(name)
    return find_class(origin, depth - 1) if origin and origin != class_path else None


def ancestors(source: Source) -> Iterator[Source | str]:
    """Yield a class and all that it derives from, depth first; what cannot be found by its path."""
    yield source
    for base in source.node.bases:
        path = dotted(base.value if isinstance(base, ast.Subscript) else base, source.module)
        found = find_class(path)
        if found is None:
            yield path
        else:
            yield from ancestors(found)


def constructor(source: Source) -> dict[str, Parameter] | None:
    """Return the parameters of the first `__init__` among a class and its ancestors."""
    for one in ancestors(source):
        if isinstance(one, str):
            if one not in PLAIN_BASES:
                return None
            continue
        if one.node.decorator_list or one.node.keywords:  # a dataclass, a metaclass
            return None
        defined = {node.name: node for node in one.node.body if isinstance(node, ast.FunctionDef)}
        if "__new__" in defined or any(not isinstance(node, SETTLED) for node in one.node.body):
            return None
        if "__init__" in defined:
            return written(defined["__init__"], one.module)
    return {}


SETTLED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Assign, ast.AnnAssign, ast.Expr, ast.ClassDef, ast.Pass)


def written(node: ast.FunctionDef, module: str) -> dict[str, Parameter] | None:
    """Return the parameters of an `__init__`; None where it takes more than it names."""
    decorators = {dotted(one, module).rpartition(".")[2] for one in node.decorator_list}
    args = node.args
    if args.vararg or args.kwarg or args.posonlyargs or decorators - KEEPS_SIGNATURE:
        return None
    positional = args.args[1:]
    defaults: list[ast.expr | None] = [None] * len(positional)
    if args.defaults:
        defaults[-len(args.defaults) :] = args.defaults
    pairs = [*zip(positional, defaults, strict=True), *zip(args.kwonlyargs, args.kw_defaults, strict=True)]
    made = {}
    for arg, default in pairs:
        hint = hint_of(arg.annotation, module)
        if isinstance(default, ast.Constant) and default.value is None and hint is not None:
            hint = hint | None
        made[arg.arg] = Parameter(arg.arg, hint, default is None)
    return made


def hint_of(node: ast.expr | None, module: str) -> Any:
    """Return an annotation as a type; None where it is not made of plain types."""
    try:
        return None if node is None else evaluate(node, module)
    except (LookupError, TypeError):
        return None


def evaluate(node: ast.expr, module: str) -> Any:
    """Return the type that an annotation means. Raises LookupError where it has a part that is not plain."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            return evaluate(ast.parse(node.value, mode="eval").body, module)
        if node.value is None:
            return None
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return operator.or_(evaluate(node.left, module), evaluate(node.right, module))
    elif isinstance(node, ast.Subscript):
        outer = evaluate(node.value, module)
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if getattr(outer, "_name", "") == "Literal":
            return outer[tuple(ast.literal_eval(one) for one in inner)]
        types = tuple(evaluate(one, module) for one in inner)
        return outer[types if len(types) > 1 else types[0]]
    elif isinstance(node, ast.Name | ast.Attribute):
        return meant(dotted(node, module))
    raise LookupError(ast.unparse(node))


def meant(path: str, depth: int = 8) -> Any:
    """Return the plain type at a path, or behind an alias there. Raises LookupError where there is none."""
    module, _, name = path.rpartition(".")
    if module == "builtins" and name in SIMPLE:
        return SIMPLE[name]
    if module in ("typing", "typing_extensions", "collections.abc") and name in TYPING:
        return getattr(collections.abc if module == "collections.abc" else typing, name)
    for node in getattr(tree_of(module), "body", ()):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if name in [getattr(target, "id", None) for target in targets] and getattr(node, "value", None):
            return evaluate(node.value, module)
    if depth and (origin := imports(module).get(name) if module else None):
        return meant(origin, depth - 1)
    raise LookupError(path)


def dotted(node: ast.expr, module: str) -> str:
    """Return the full path of what a name or `package.name` stands for in `module`. Raises LookupError else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.insert(0, node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise LookupError(ast.unparse(node))
    origin = imports(module).get(node.id)
    if origin is None:
        origin = f"{module}.{node.id}" if node.id in names_of(module) else f"builtins.{node.id}"
    return ".".join([origin, *parts])


@lru_cache(maxsize=256)
def imports(module: str) -> dict[str, str]:
    """Return what the names that a module imports stand for."""
    found: dict[str, str] = {}
    package = module if is_package(module) else module.rpartition(".")[0]
    for node in getattr(tree_of(module), "body", ()):
        if isinstance(node, ast.ImportFrom):
            above = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            start = ".".join(filter(None, [above, node.module]))
            found |= {one.asname or one.name: f"{start}.{one.name}" for one in node.names}
        elif isinstance(node, ast.Import):
            tops = [(one, one.name.partition(".")[0]) for one in node.names]
            found |= {one.asname or top: one.name if one.asname else top for one, top in tops}
    return found


@lru_cache(maxsize=256)
def names_of(module: str) -> frozenset[str]:
    """Return the names that a module defines itself."""
    nodes = getattr(tree_of(module), "body", ())
    targets = [target for node in nodes for target in getattr(node, "targets", [getattr(node, "target", None)])]
    return frozenset([node.name for node in nodes if hasattr(node, "name")] + [getattr(t, "id", "") for t in targets])


def docstring(module: str) -> str:
    """Return what a module says of itself; nothing where it is not found."""
    tree = tree_of(module)
    return (ast.get_docstring(tree) if tree else None) or ""


def tree_of(module: str) -> ast.Module | None:
    """Return a module's source, parsed; None where it cannot be found."""
    path = file_of(module)
    return None if path is None else parsed(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=256)
def parsed(path: Path, changed: int) -> ast.Module:
    """Return the source of a file, parsed; changed: when it was written last."""
    return ast.parse(path.read_bytes())


def is_package(module: str) -> bool:
    """Return whether a module is a folder."""
    path = file_of(module)
    return path is not None and path.name == "__init__.py"


@lru_cache(maxsize=256)
def file_of(module: str) -> Path | None:
    """Return the file of a module, for which nothing is imported; None where it is not found."""
    top, *rest = module.split(".")
    spec = find_spec(top) if top else None
    if spec is None:
        return None
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    if not rest:
        return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    for folder in folders:
        base = reduce(operator.truediv, rest, folder)
        for path in (base / "__init__.py", base.with_name(f"{base.name}.py")):
            if path.is_file():
                return path
    return None
