"""What strangers write into a checkpoint reaches a terminal without anything that it would obey."""

import io
import json
import logging
import re

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.models import convert_internvl, logs
from pipeline.models.auto import Auto
from pipeline.models.qwen2_vl import Qwen2VL
from tests import remote_internvl
from tests.checkpoints import qwen2_vl_folder

EVIL = "\x1b]0;owned\x07\x1b[31m\u202e\n\u009b2J"
"""An escape sequence that renames the window, one that colours, a turn of the reading direction, a line, a control."""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("remote") / "old"
    remote_internvl.checkpoint(folder, "Qwen2")
    return folder


def text(message):
    """`message` must be one line that a terminal shows as it is."""
    assert message.isprintable()
    return message


def edited(key, value, part=None):
    def change(folder):
        path = folder / "config.json"
        facts = json.loads(path.read_text())
        (facts[part] if part else facts)[key] = value
        path.write_text(json.dumps(facts))

    return change


def tensors(folder, name, file="model.safetensors"):
    weights = load_file(folder / "model.safetensors")
    save_file(
        weights | {name: torch.zeros(1)} if file == "model.safetensors" else {name: torch.zeros(1)}, folder / file
    )


HOSTILE = {
    "architectures": (edited("architectures", [EVIL], "llm_config"), "the language model"),
    "model_type": (edited("model_type", EVIL), "model_type = "),
    "template": (edited("template", [EVIL]), "template = "),
    "force_image_size": (edited("force_image_size", EVIL), "force_image_size = "),
    "a long one": (edited("ps_version", "x" * 10**6), "ps_version = "),
    "a tensor": (lambda folder: tensors(folder, f"a{EVIL}"), "1 unexpected weights"),
    "a tensor twice": (lambda folder: tensors(folder, "mlp1.0.bias", "z\x1b[31m.safetensors"), "keep one of them"),
    "no JSON": (lambda folder: (folder / "config.json").write_text(EVIL), "is not a JSON object"),
}


@pytest.mark.parametrize(("change", "message"), HOSTILE.values(), ids=HOSTILE)
def test_a_refused_conversion_prints_one_plain_line(source, tmp_path, monkeypatch, capsys, change, message):
    folder = tmp_path / "old"
    folder.mkdir()
    for path in source.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    change(folder)
    monkeypatch.setattr("sys.argv", ["convert_internvl", str(folder), str(tmp_path / "new")])
    with pytest.raises(SystemExit) as left:
        convert_internvl.main()
    assert left.value.code == 2
    (line,) = capsys.readouterr().err.split("\n")[:-1]
    assert message in text(line)
    assert len(line) < 1000
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        convert_internvl.convert(folder, tmp_path / "new")
    text(str(raised.value))


@pytest.mark.parametrize("family", [Qwen2VL, Auto])
@pytest.mark.parametrize(
    ("file", "values"),
    [
        ("config.json", {"model_type": EVIL}),
        ("generation_config.json", {"eos_token_id": EVIL}),
        ("processor_config.json", {"image_processor": {"image_processor_type": EVIL}}),
    ],
)
def test_a_refused_checkpoint_is_told_in_one_plain_line(tmp_path, family, file, values):
    folder = qwen2_vl_folder(tmp_path)
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(content | values))
    with pytest.raises(ValueError, match=r"^checkpoint ") as raised:
        family(str(folder)).identity()
    text(str(raised.value))


def test_what_transformers_logs_of_a_checkpoint_is_plain_too(monkeypatch):
    logs.make_printable()
    logs.make_printable()
    handler = next(h for h in logging.getLogger("transformers").handlers if type(h) is logging.StreamHandler)
    assert handler.filters.count(logs.FILTER) == 1
    written = io.StringIO()
    monkeypatch.setattr(handler, "stream", written)
    logging.getLogger("transformers.configuration_utils").warning("a model of type %s, %s", EVIL, "really")
    assert text(written.getvalue().removesuffix("\n")).endswith("really")
