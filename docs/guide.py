"""What code says of itself, as Markdown for the guide's pages; formulae as MathML. A small extension of Sphinx."""

from __future__ import annotations

import inspect
import types
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import docstring_parser
import yaml
from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

from pipeline import arguments
from pipeline.cli import explainer_class
from pipeline.explainers.base import Explainer

ROOT = Path(__file__).resolve().parents[1]
DEVIATIONS = ROOT / "docs" / "deviations.yaml"


def explainers() -> dict[str, dict[str, tuple[type[Explainer], dict[str, Any]]]]:
    """Page (the explainer's module) -> names of its configurations -> class and what they set."""
    pages: dict[str, dict[str, tuple[type[Explainer], dict[str, Any]]]] = {}
    for path in sorted((ROOT / "configs" / "explainer").glob("*.yaml")):
        choice = arguments.choose(str(path), "explainer")
        cls = explainer_class(choice)
        pages.setdefault(cls.__module__.rpartition(".")[2], {})[path.stem] = (cls, dict(choice.init_args))
    return pages


def about(cls: type) -> str:
    """The docstring without its parameters."""
    return inspect.cleandoc(cls.__doc__ or "").partition("Args:")[0].strip()


def names(page: str) -> str:
    """The configurations of one explainer."""
    rows = []
    for name, (_, values) in explainers()[page].items():
        sets = ", ".join(f"`{key}: {spelled(value)}`" for key, value in values.items()) or "–"
        rows.append((f"`{name}`", sets, first_comment(ROOT / "configs" / "explainer" / f"{name}.yaml")))
    return table(("name", "sets", "for"), rows)


def parameters(cls: type) -> str:
    """Every parameter of the constructor: type, default, meaning. ValueError for one that no docstring explains."""
    wanted = [one for one in inspect.signature(cls).parameters.values() if one.kind is one.KEYWORD_ONLY]
    if not wanted:
        return "None."
    hints, meanings, rows = get_type_hints(cls.__init__), documented(cls), []
    for one in wanted:
        if one.name not in meanings:
            raise ValueError(f"{cls.__qualname__}: no docstring says what {one.name!r} means")
        default = "required" if one.default is one.empty else f"`{spelled(one.default)}`"
        rows.append((f"`{one.name}`", kind(hints[one.name]), default, meanings[one.name]))
    return table(("parameter", "type", "default", "meaning"), rows)


def documented(cls: type) -> dict[str, str]:
    """Parameter -> meaning, by the docstrings of the class and of those below it."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        for each in docstring_parser.parse(base.__doc__ or "", docstring_parser.DocstringStyle.GOOGLE).params:
            found[each.arg_name] = " ".join((each.description or "").split())
    return found


def kind(hint: Any) -> str:
    """A type as a reader of yaml would say it."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(kind(one) for one in inner)
    if origin in (list, Sequence):
        return f"list of {kind(inner[0])}"
    if inspect.isclass(hint) and issubclass(hint, Explainer):
        return "an explainer"
    return {"NoneType": "null"}.get(hint.__name__, hint.__name__)


def spelled(value: Any) -> str:
    """A value as yaml writes it, on one line."""
    plain = list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(plain, default_flow_style=True, width=1000).removesuffix("\n").removesuffix("\n...")


def deviations(topic: str | None = None) -> str:
    """The table of deviations, or what concerns one topic."""
    rows = [row for row in all_deviations() if topic in (None, row["about"])]
    if not rows:
        return "None."
    columns = ("about", "theirs", "here", "back") if topic is None else ("theirs", "here", "back")
    titles = {"about": "about", "theirs": "paper or public code", "here": "here", "back": "to have it their way"}
    pages = explainers()
    linked = {page: f"[`{page}`](explainers/{page}.md)" for page in pages}
    cells = [[linked.get(row.get(column, ""), row.get(column) or "–") for column in columns] for row in rows]
    return table([titles[column] for column in columns], cells)


def all_deviations() -> list[Mapping[str, str]]:
    """Every entry of deviations.yaml."""
    return list(yaml.safe_load(DEVIATIONS.read_text(encoding="utf-8")))


def first_comment(path: Path) -> str:
    """The first paragraph of the comment that heads a yaml file."""
    lines: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("# "):
            break
        lines.append(line.removeprefix("# ").strip())
    return " ".join(lines)


def table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    lines = [list(titles), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(
        "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in line) + " |" for line in lines
    )


class Generated(SphinxDirective, ABC):
    """A directive whose content is Markdown that a function makes of its argument."""

    optional_arguments = 1

    @abstractmethod
    def make(self, argument: str) -> str:
        """The Markdown."""

    def run(self) -> list[nodes.Node]:
        try:
            text = self.make(self.arguments[0] if self.arguments else "")
        except (KeyError, ValueError) as error:
            raise self.error(f"{self.name}: {error}") from error
        return [nodes.container("", *self.parse_text_to_nodes(text), classes=[self.name])]


def class_of(page: str) -> type[Explainer]:
    """The class that a page is about."""
    return next(iter(explainers()[page].values()))[0]


class About(Generated):
    """What an explainer's docstring says, and the names it goes by."""

    def make(self, argument: str) -> str:
        return f"{about(class_of(argument))}\n\n{names(argument)}"


class Parameters(Generated):
    """The parameters of an explainer."""

    def make(self, argument: str) -> str:
        return parameters(class_of(argument))


class Deviations(Generated):
    """All deviations, or those about the argument."""

    def make(self, argument: str) -> str:
        return deviations(argument or None)


def visit_math(translator: HTML5Translator, node: nodes.math) -> None:
    """A formula within a line."""
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def visit_displaymath(translator: HTML5Translator, node: nodes.math_block) -> None:
    """A formula of its own."""
    translator.body.append(tex2mathml(node.astext(), as_block=True))
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Register directives and the renderer of formulae; a command it does not know stops the build."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displaymath, None))
    for name, directive in {"explainer": About, "parameters": Parameters, "deviations": Deviations}.items():
        app.add_directive(name, directive)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
