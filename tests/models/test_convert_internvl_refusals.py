"""What cannot be converted is refused in one line, and nothing is left behind."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.models.convert_internvl import convert, main
from tests import remote_internvl


def edit(change):
    """A change of config.json as a change of the folder."""

    def apply(folder):
        facts = json.loads((folder / "config.json").read_text())
        change(facts)
        (folder / "config.json").write_text(json.dumps(facts))

    return apply


def reweigh(change):
    """A change of the tensors as a change of the folder."""

    def apply(folder):
        weights = load_file(folder / "model.safetensors")
        change(weights)
        save_file(weights, folder / "model.safetensors")

    return apply


def pickled(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def twice(folder):
    save_file(dict(list(load_file(folder / "model.safetensors").items())[:1]), folder / "more.safetensors")


def cut(name):
    """A download that broke off."""

    def apply(folder):
        path = folder / name
        path.write_bytes(path.read_bytes()[:-100])

    return apply


WO = "language_model.model.layers.1.attention.wo.weight"
REFUSED = {
    "missing": (reweigh(lambda w: w.pop(WO)), rf"1 missing weights: {WO}$"),
    "unexpected": (reweigh(lambda w: w.update(extra=torch.zeros(1))), "1 unexpected weights: extra$"),
    "many": (
        reweigh(lambda w: [w.pop(n) for n in list(w)[:5]]),
        r"^5 missing weights: language_model\.[\w.]+, [\w.]+, [\w.]+ …$",
    ),
    "shape": (reweigh(lambda w: w.update({WO: torch.zeros(3, 32)})), rf"{WO} is \(3, 32\), which does not fit"),
    "fused shape": (
        reweigh(lambda w: w.update({WO.replace("wo", "wqkv"): torch.zeros(63, 32)})),
        r"wqkv.weight is \(63, 32\), which does not fit",
    ),
    "pickle": (pickled, r"pickled weights \(.bin\) are not read; download"),
    "cut weights": (cut("model.safetensors"), "model.safetensors is not a whole safetensors file; download it again"),
    "cut tokenizer": (cut("tokenizer.model"), "tokenizer.model is not a sentencepiece model; download it again"),
    "cut configuration": (cut("config.json"), "config.json is not a JSON object; download it again"),
    "twice": (twice, "is in model.safetensors and in more.safetensors"),
    "another model": (edit(lambda f: f.update(model_type="llava")), "model_type = 'llava', only 'internvl_chat'"),
    "pixel shuffle": (edit(lambda f: f.update(ps_version="v1")), "ps_version = 'v1', only 'v2'"),
    "template": (edit(lambda f: f.update(template="Hermes-2")), "template = 'Hermes-2'"),
    "language": (
        edit(lambda f: f["llm_config"].update(architectures=["Phi3ForCausalLM"])),
        "Phi3ForCausalLM is none of InternLM2ForCausalLM, Qwen2ForCausalLM",
    ),
    "size": (edit(lambda f: f.update(force_image_size=448)), "force_image_size = 448, but the tower's is 24"),
    "incomplete": (edit(lambda f: f["vision_config"].pop("hidden_size")), "lacks .hidden_size."),
    "vocabulary": (edit(lambda f: f["llm_config"].update(vocab_size=9)), r"the tokenizer has \d+ entries, the model 9"),
    "tie that is none": (
        edit(lambda f: f["llm_config"].update(tie_word_embeddings=True)),
        "language_model.output.weight is not language_model.model.tok_embeddings.weight",
    ),
    "no folder": (lambda folder: (folder / "config.json").unlink(), "holds no config.json; first: hf download"),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED)
def test_refused_without_a_trace(tmp_path, change, message):
    remote_internvl.checkpoint(tmp_path / "old", "InternLM2")
    change(tmp_path / "old")
    with pytest.raises(ValueError, match=message):
        convert(tmp_path / "old", tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_a_folder_with_files_is_left_alone(tmp_path):
    remote_internvl.checkpoint(tmp_path / "old", "Qwen2")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mine").write_text("kept")
    with pytest.raises(ValueError, match="is not empty; name a new folder"):
        convert(tmp_path / "old", tmp_path / "new")
    (tmp_path / "other.partial").mkdir()
    with pytest.raises(ValueError, match=r"other\.partial is left from a conversion that did not finish; delete it"):
        convert(tmp_path / "old", tmp_path / "other")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["mine"]


def test_a_failure_halfway_leaves_nothing(tmp_path, monkeypatch):
    remote_internvl.checkpoint(tmp_path / "old", "Qwen2")

    def full(*args, **options):
        raise OSError("No space left on device")

    monkeypatch.setattr("pipeline.models.convert_internvl.save_file", full)
    monkeypatch.setattr("sys.argv", ["convert_internvl", str(tmp_path / "old"), str(tmp_path / "new")])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
