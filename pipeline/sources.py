"""The code that decides a run's numbers, file by file, for its fingerprint.

It is found by reading `import` statements, those inside of functions too, from the classes that a run uses: whatever
they import of the project and of the user's own modules counts. Installed packages count by their versions, and what is
imported by a name that is made while the program runs is not found; one that is written out is
(`importlib.import_module("name")`).
"""

import ast
import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from hashlib import sha256
from importlib.machinery import ModuleSpec
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from sysconfig import get_paths

PROJECT, PACKAGES = "seewhy", ("pipeline", "datamodules", "metrics")
"""Those of the project, told by area."""
ROOTS = ["pipeline.module", "pipeline.explainers.*", "pipeline.models.*", "pipeline.ops.*"]
ROOTS += ["metrics.*", "datamodules.base", "datamodules.images"]
"""Modules that count in every run, so that which explainers it has does not show here."""
UNCOUNTED: dict[str, list[str]] = {
    "shows results": ["pipeline.outputs", "pipeline.board", "pipeline.watch", "pipeline.remarks", "pipeline.bad"],
    "writes text or numbers for people": ["pipeline.notation", "pipeline.notice", "pipeline.typed"],
    "writes what people may read safely": ["datamodules.printable", "datamodules.program", "datamodules.streams"],
    "measures time": ["pipeline.clock"],
    "reads a command, whose options count themselves": [
        *("pipeline.arguments", "pipeline.argv", "pipeline.cli", "pipeline.command_checks", "pipeline.command_parsers"),
        *("pipeline.commands", "pipeline.early", "pipeline.options", "pipeline.refused", "pipeline.signatures"),
        *("pipeline.guards", "pipeline.nearby", "pipeline.trainer_values", "datamodules.options"),
    ],
    "starts, stops or resumes runs": [
        *("pipeline.evaluation", "pipeline.launch", "pipeline.stop", "pipeline.sweep", "pipeline.trainer_options"),
        *("pipeline.errors", "pipeline.status", "datamodules.safe_path"),
    ],
    "makes the fingerprint itself": ["pipeline.mark", "pipeline.sources"],
    "converts a checkpoint, whose hash counts": [
        *("pipeline.models.convert_internvl", "pipeline.models.internvl_prompt", "pipeline.models.internvl_remote"),
        "pipeline.models.sentencepiece_bpe",
    ],
    "converts or verifies data, whose digest counts": [
        *("datamodules.card", "datamodules.convert", "datamodules.journal", "datamodules.layout"),
        *("datamodules.sources", "datamodules.verify"),
    ],
}
"""Why modules, and what lies in them, change no number of a run. A module of the project either is named here or
counts: a test looks for those that do neither."""
VIEWS = [name for names in UNCOUNTED.values() for name in names]
"""The modules that do not count, for whatever reason."""
VERSIONED = {"torch", "transformers", "lightning", "numpy", *sys.stdlib_module_names}
"""Packages of which a version is enough, also where a class of the user's is derived from one of theirs."""
INSTALLED = {Path(get_paths()[name]).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")}


def digests(classes: Iterable[type]) -> dict[str, str]:
    """Return the digest of all code that counts, by area: folders of the project, and each module of the user's own.

    classes: what the run was told to use, by their paths: model, data, explainers and callbacks. One that stands in an
    installed package has that package read too.
    """
    roots = {base.__module__ for cls in classes for base in cls.__mro__}
    own = {root.partition(".")[0] for root in roots} - VERSIONED
    areas: dict[str, list[str]] = defaultdict(list)
    for name, path in sorted(reached([*_spelt(ROOTS), *roots], own).items()):
        areas[area(name)].append(f"{name} {sha256(path.read_bytes()).hexdigest()}")
    return {name: sha256("\n".join(lines).encode()).hexdigest()[:16] for name, lines in sorted(areas.items())}


def packages(classes: Iterable[type]) -> dict[str, str]:
    """Return the versions of the installed packages that the modules of the user's own import, by package.

    classes: as `digests` takes them.
    """
    roots = {base.__module__ for cls in classes for base in cls.__mro__}
    own = {root.partition(".")[0] for root in roots} - VERSIONED
    files = {name: path for name, path in reached(roots, own).items() if name.partition(".")[0] not in PACKAGES}
    names = {name.partition(".")[0] for module, path in files.items() for name in imported(path, module)}
    if not (names := names - set(sys.stdlib_module_names)):
        return {}
    known = packages_distributions()
    found = {package for name in names for package in known.get(name, ())}
    return {package: version(package) for package in sorted(found - {PROJECT})}


def area(module: str) -> str:
    """Return what a module is told by: `pipeline.models` for all in that folder, its own name if it is the user's."""
    parts = module.split(".")
    if parts[0] != PACKAGES[0]:
        return parts[0] if parts[0] in PACKAGES else module
    return ".".join(parts[:2]) if len(parts) > 2 else parts[0]


def reached(modules: Iterable[str], own: Collection[str] = ()) -> dict[str, Path]:
    """Return the files of `modules` and of what they import, by module: those that are neither installed nor views.

    own: packages that count although they are installed.
    """
    found: dict[str, Path] = {}
    seen, left = set[str](), list(modules)
    while left:
        name = left.pop()
        if name in seen or any(name == view or name.startswith(f"{view}.") for view in VIEWS):
            continue
        seen.add(name)
        if (path := located(name, own)) is not None:
            found[name] = path
            left += [name.rpartition(".")[0] or name, *imported(path, name)]  # the __init__ of its package runs too
    return found


def located(module: str, own: Collection[str] = ()) -> Path | None:
    """Return the file of a module that counts; None for one that is installed, and where there is none."""
    top = module.partition(".")[0]
    if top in VERSIONED or (top not in {*PACKAGES, *own} and installed(top)):
        return None
    found = spec(module)
    path = Path(found.origin) if found is not None and found.origin else None
    return path if path is not None and path.is_file() else None


@cache
def installed(top: str) -> bool:
    """Return whether a package or module is installed, so that its version is enough; true where there is none."""
    found = spec(top)
    if found is None:
        return True
    places = [*(found.submodule_search_locations or ()), *([found.origin] if found.origin else [])]
    return not any(Path(place).exists() and not INSTALLED & set(Path(place).resolve().parents) for place in places)


def spec(module: str) -> ModuleSpec | None:
    """Return how Python finds a module; None where it finds none."""
    known = sys.modules.get(module)
    if known is not None and known.__spec__ is not None:
        return known.__spec__
    try:
        return find_spec(module)
    except (Exception, SystemExit):  # its package is no package, or fails when it is imported
        return None


def imported(path: Path, module: str) -> Iterator[str]:
    """Yield the names of all modules that a file may import; some of them are those of classes and functions."""
    if path.suffix != ".py":  # compiled
        return
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return
    package = module if path.stem == "__init__" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            whole = ".".join([*base, *([node.module] if node.module else [])])
            yield whole
            yield from (f"{whole}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _imports(node.func):
            named = [one.value for one in node.args[:1] if isinstance(one, ast.Constant)]
            yield from (name for name in named if isinstance(name, str) and not name.startswith("."))


def _imports(called: ast.expr) -> bool:
    """Return whether an expression that is called is `importlib.import_module` or `__import__`, by its last name."""
    return getattr(called, "attr", getattr(called, "id", None)) in ("import_module", "__import__")


def _spelt(patterns: Iterable[str]) -> Iterator[str]:
    """The modules that are meant by names and by `package.*`."""
    for pattern in patterns:
        package = pattern.removesuffix(".*")
        if package == pattern:
            yield pattern
        elif (path := located(package)) is not None:
            yield from (f"{package}.{file.stem}" for file in path.parent.glob("*.py") if file.stem != "__init__")
