"""What a sweep shows of the trial in hand."""

import io
from pathlib import Path

from pipeline.outputs.fingerprint import open_run, write_json
from pipeline.outputs.records import Row, RowWriter
from pipeline.sweep import search
from pipeline.sweep.ranks import Ranks
from pipeline.sweep.record import Record, Trial
from pipeline.sweep.show import Rows, table
from tests.outputs.made import answer


def test_rows_are_counted_as_they_are_written_and_none_is_read_twice(tmp_path: Path) -> None:
    rows = Rows(tmp_path)
    assert rows.look() == "starting"
    open_run(tmp_path, {}, environment={"samples": 5000})
    first, second = tmp_path / "rows.0.jsonl", tmp_path / "rows.1.jsonl"
    first.write_bytes(b"{}\n{}\n{")
    assert rows.look() == "2 of 5,000 samples"
    first.write_bytes(b"xxxxxxx}\n")
    second.write_bytes(b"{}\n")
    assert rows.look() == "4 of 5,000 samples"


def trial(folder: Path, number: int, value: float, failed: str = "", quarantined: str = "") -> Trial:
    """A complete trial over the samples a, b and c, with the figure `value`."""
    run = folder / "trials" / str(number)
    figure = {"value": value, "low": value, "high": value, "count": 3}
    profiles = {profile: {"f1_iou": figure} for profile in ("corrected", "reference")}
    summary = {"explainers": {"msea_arc": profiles}, "samples": {"scored": 3, "quarantined": len(quarantined)}}
    write_json(run / "summary.json", summary | {"failed": {"msea_arc": {"RuntimeError": 1}} if failed else {}})
    with RowWriter(run / "rows.0.jsonl") as writer:
        for at, key in enumerate("abc"):
            error = "OSError: gone" if key in quarantined else None
            failures = {"msea_arc": "RuntimeError: no"} if key in failed else {}
            writer.write(Row(key, at, error=error) if error else Row(key, at, answer(), failed=failures))
    return Trial(number, {"explainer.msea_arc.k": number}, "complete", value)


def test_a_trial_that_lacks_samples_of_others_is_not_the_best(tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text(
        "program: run_eval.py\nmethod: grid\nmetric: {name: f1_iou, goal: maximize}\n"
        "parameters: {explainer.msea_arc.k: {values: [0, 1, 2, 3]}}\n"
    )
    sweep = search.load(tmp_path / "sweep.yaml")
    record = Record(
        tmp_path, {}, [trial(tmp_path, 0, 0.1), trial(tmp_path, 1, 0.2), trial(tmp_path, 2, 0.9, failed="b")]
    )
    ranks = Ranks(sweep, record)
    assert ranks.best(record.trials) is record.trials[1]
    assert ranks.best(record.trials[2:]) is record.trials[2], "alone it lacks nothing that another has"
    assert ranks.lacking(record.trials) == {2: 1}
    out = io.StringIO()
    table(sweep, record, "t", out)
    said = out.getvalue()
    assert "90.00*" not in said
    assert "20.00*" in said
    assert "of those with all samples" in " ".join(said.split())
    assert "trial 2 lacks 1 sample that other trials have, so it is not called the best" in said
    record.trials.append(trial(tmp_path, 3, 0.95, quarantined="b"))
    assert ranks.best(record.trials[2:]) is record.trials[3], "both lack the same sample"
    assert ranks.best(record.trials) is record.trials[1]
