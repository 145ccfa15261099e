"""What W&B shows of a project: a workspace and a report that compare explainers. Wants the extra `dashboard`.

Names of figures, tables and groups are those that `logged.py` and `tracker.py` give them.
"""

from typing import Any

import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws
from wandb_workspaces import expr

from pipeline.outputs.logged import RUNNING, TABLE
from pipeline.outputs.table import COLUMNS

NAME = "Explainers"
GROUPING = ("Group", "JobType")
"""Model and data set; within them the explainer."""
FAILED = "samples/failed"
"""Samples that the explainer failed on: figures of such runs are over fewer samples."""
MAIN = ("f1_iou", "obj_iou", "func_iou")
CAPTIONS = {
    "captions/rouge_l": "ROUGE-L",
    "captions/meteor": "METEOR",
    "captions/noun_recall": "Objects that are named",
    "captions/noun_precision": "Nouns that are right",
}
SYSTEM = {
    "CPU (%)": ["cpu"],
    "Memory (%)": ["memory_percent"],
    "Memory of the process (MB)": ["proc.memory.rssMB"],
    "GPU (%)": [f"gpu.{place}.gpu" for place in range(8)],
    "GPU memory (%)": [f"gpu.{place}.memoryAllocated" for place in range(8)],
}
"""What W&B measures itself, of runs that it watches from their start: those of a single explainer."""
WIDE = wr.Layout(w=24, h=12)
"""As wide as a report, and high enough for pictures."""


def workspace(project: str, entity: str) -> ws.Workspace:
    """Bars, scatter, samples, captions, machines; runs grouped by model and data set, and by explainer."""
    sections: dict[str, list[Any]] = {
        "Figures": bars(),
        "Object against function words": [scatter()],
        "Samples": [wr.WeavePanelSummaryTable(table_name=TABLE, layout=WIDE)],
        "Captions": [bar(name, title) for name, title in CAPTIONS.items()],
        "Figures as the public code scores": bars("reference/"),
        "While it runs": [wr.LinePlot(title=COLUMNS[name], y=[f"{RUNNING}/{name}"]) for name in MAIN],
        "Machine": [
            wr.LinePlot(title=title, x="RelativeTime(Wall)", y=[f"system/{name}" for name in names])
            for title, names in SYSTEM.items()
        ],
    }
    columns = [f"summary:{part}{name}" for name in MAIN for part in ("", "low/", "high/")]
    return ws.Workspace(
        entity=entity,
        project=project,
        name=NAME,
        sections=[ws.Section(name=name, panels=panels, is_open=True) for name, panels in sections.items()],
        settings=ws.WorkspaceSettings(max_runs=100),
        runset_settings=ws.RunsetSettings(
            groupby=[expr.Metric(name) for name in GROUPING],
            order=[
                expr.Ordering(expr.Summary(FAILED), ascending=True),
                expr.Ordering(expr.Summary(MAIN[0]), ascending=False),
            ],
            pinned_columns=["run:displayName", *columns, f"summary:{FAILED}"],
        ),
    )


def report(project: str, entity: str, *, online: bool) -> wr.Report:
    """What the figures mean, and the explainers side by side.

    online: name the project of the runs too, for which W&B is asked when it is saved; else it is that of the report.
    """
    place = (entity, project) if online else ("", "")

    def grid(*panels: Any) -> wr.PanelGrid:
        order = [wr.OrderBy(wr.SummaryMetric(FAILED), ascending=True), wr.OrderBy(wr.SummaryMetric(MAIN[0]))]
        runset = wr.Runset(*place, name=NAME, groupby=list(GROUPING), order=order)
        return wr.PanelGrid(runsets=[runset], panels=list(panels))

    return wr.Report(
        project=project,
        entity=entity,
        title="Explainers compared",
        description="Which heat maps show what a multimodal LLM speaks of",
        width="fluid",
        blocks=[
            wr.TableOfContents(),
            wr.H1("Figures"),
            wr.P(
                "Obj-IoU: how well the map of a word that names an object covers that object. Func-IoU: how little the "
                "map of a function word claims. F1-IoU: their harmonic mean. Runs are grouped by model and data set, "
                "and by explainer; the columns low/ and high/ are 95 % bootstrap intervals over images. An explainer "
                f"that failed on samples ({FAILED} above 0) has figures over the others, so its runs come last and are "
                "not to be ranked beside the others."
            ),
            grid(*bars()),
            wr.H1("Object against function words"),
            wr.P("A good explainer stands at the top right."),
            grid(scatter()),
            wr.H1("Samples"),
            wr.P("The words of a sample and their maps; open a run's table for all of them."),
            grid(wr.WeavePanelSummaryTable(table_name=TABLE, layout=WIDE)),
            wr.H1("As the public code scores"),
            wr.P("The same maps in the profile reference: the public TAM scorer with its slips, as papers use it."),
            grid(*bars("reference/")),
            wr.H1("Parameters"),
            wr.P("Which parameters of a sweep matter for F1-IoU, and in what runs differ."),
            grid(wr.ParameterImportancePlot(with_respect_to=MAIN[0], layout=WIDE), wr.RunComparer(diff_only=True)),
        ],
    )


def bars(prefix: str = "") -> list[wr.BarPlot]:
    """A panel for each figure of a profile, with a bar for each group."""
    return [bar(f"{prefix}{name}", title) for name, title in COLUMNS.items()]


def bar(name: str, title: str) -> wr.BarPlot:
    """Bars of one figure, which is a share."""
    return wr.BarPlot(title=title, metrics=[name], range_x=(0.0, 1.0), max_runs_to_show=100)


def scatter() -> wr.ScatterPlot:
    """Obj-IoU against Func-IoU."""
    x, y, whole = wr.SummaryMetric("func_iou"), wr.SummaryMetric("obj_iou"), (0.0, 1.0)
    return wr.ScatterPlot(title="Obj-IoU against Func-IoU", x=x, y=y, range_x=whole, range_y=whole, layout=WIDE)
