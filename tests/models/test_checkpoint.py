"""Options are checked before anything is read; what is read is identified."""

import errno
import io
import json
import re
import shutil

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from pipeline import cli
from pipeline.models.auto import Auto
from pipeline.models.checkpoint import ROOT, CheckpointError, locate
from pipeline.models.llava import LLaVA
from pipeline.models.qwen2_vl import Qwen2VL
from tests import tiny
from tests.sizes import SIZES


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"checkpoint": "no/such/folder"}, "neither a folder nor a hub id"),
        ({"checkpoint": "./nothing"}, "^checkpoint: no folder ./nothing "),
        ({"checkpoint": "a/b", "max_new_tokens": 0}, "expected 1 to 32,768, got 0"),
    ],
)
def test_refused_before_loading(options, message):
    with pytest.raises(ValueError, match=message):
        Qwen2VL(**options)


def test_a_folder_of_the_repository_is_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert locate("tests/golden") == str(ROOT / "tests" / "golden")
    assert locate("Qwen/Qwen2-VL-2B-Instruct") == "Qwen/Qwen2-VL-2B-Instruct"


def test_nothing_is_loaded_by_the_constructor():
    with pytest.raises(RuntimeError, match="not loaded"):
        Qwen2VL("owner/name").model  # noqa: B018


def test_identity_is_content_and_options_not_place(tmp_path):
    folder = tiny.qwen2_vl_folder(tmp_path / "a")
    copy = shutil.copytree(folder, tmp_path / "b")
    one = Qwen2VL(str(folder)).identity()
    assert one == Qwen2VL(str(copy)).identity()
    assert one != Qwen2VL(str(folder), max_new_tokens=9).identity()
    assert "{prompt}" in one["template"]
    config = copy / "config.json"
    config.write_text(config.read_text() + "\n")
    assert one != Qwen2VL(str(copy)).identity()


def test_everything_is_read_from_the_commit_that_a_branch_meant_at_first(tmp_path, monkeypatch):
    """In a hub cache without a hub; the branch moves on while the run goes on."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    repository, old, new = tmp_path / "models--owner--tiny", "a" * 40, "b" * 40
    before = tiny.qwen2_vl_folder(repository / "snapshots" / old)
    tiny.qwen2_vl_folder(repository / "snapshots" / new, vocab=500, ends=True, seed=1)
    branch = repository / "refs" / "main"
    branch.parent.mkdir()
    branch.write_text(old)
    vlm = Qwen2VL("owner/tiny")
    assert vlm.commit == old
    branch.write_text(new)
    assert vlm.extent.vocabulary == 400
    assert vlm.generation.eos_token_id is None
    assert vlm.processor.tokenizer.eos_token is None
    assert vlm.identity()["checkpoint_commit"] == old
    vlm.load("cpu")
    weights = load_file(before / "model.safetensors")
    assert torch.equal(vlm.head.weight, weights["lm_head.weight"])
    assert Qwen2VL("owner/tiny").identity()["checkpoint_commit"] == new
    assert Qwen2VL("owner/tiny", revision=old).extent.vocabulary == 400
    with pytest.raises(ValueError, match="checkpoint 'owner/tiny', revision 'v2': "):
        Qwen2VL("owner/tiny", revision="v2").identity()


def test_missing_weights_are_an_error(tmp_path):
    folder = tiny.qwen2_vl_folder(tmp_path)
    weights = load_file(folder / "model.safetensors")
    del weights[next(name for name in weights if name.endswith("norm.weight"))]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match="1 weights are missing"):
        Qwen2VL(str(folder)).load("cpu")


def test_a_video_processor_that_was_saved_along_is_passed_over(tmp_path):
    folder = tiny.qwen2_vl_folder(tmp_path)
    before = Qwen2VL(str(folder)).ask([tiny.image(2, 3)], ["What?"])[0].inputs
    path = folder / "processor_config.json"
    settings = json.loads(path.read_text())
    video = settings["image_processor"] | {"video_processor_type": "Qwen2VLVideoProcessor"}
    path.write_text(json.dumps(settings | {"video_processor": video}))
    processor = Qwen2VL(str(folder)).processor
    assert getattr(processor, "video_processor", None) is None
    after = Qwen2VL(str(folder)).ask([tiny.image(2, 3)], ["What?"])[0].inputs
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_tied_weights_are_not_missing(tmp_path):
    vlm = tiny.qwen2_vl(tmp_path, tied=True)
    assert vlm.head.weight is vlm.model.get_input_embeddings().weight


@pytest.mark.parametrize("family", [Qwen2VL, Auto])
@pytest.mark.parametrize("verb", ["identity", "load"])
def test_pickled_weights_are_not_read(tmp_path, family, verb):
    folder = tiny.qwen2_vl_folder(tmp_path)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(
        CheckpointError, match=rf"^checkpoint '{re.escape(str(folder))}': it holds no .safetensors, .*\(.bin\) are not"
    ):
        getattr(family(str(folder)), verb)()


def cut(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def reshaped(folder):
    content = json.loads((folder / "config.json").read_text())
    content["text_config"]["intermediate_size"] *= 2
    (folder / "config.json").write_text(json.dumps(content))


def elsewhere(folder):
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    index = {"metadata": {}, "weight_map": {"lm_head.weight": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


USELESS = {
    "cut": (
        cut,
        "model.safetensors is not whole: it has 421,799 bytes, its header tells of 421,800; download it again",
    ),
    "shapes": (reshaped, "9 weights have not the shape that config.json says, first model.language_model.layers.0.mlp"),
    "a part": (elsewhere, "model-00002-of-00002.safetensors"),
    "no config": (lambda folder: (folder / "config.json").unlink(), "the folder holds no config.json"),
    "no json": (lambda folder: (folder / "config.json").write_text("{"), "is not a valid JSON file"),
}


@pytest.mark.parametrize(("change", "reason"), USELESS.values(), ids=USELESS)
def test_what_makes_no_model_is_named(tmp_path, change, reason):
    folder = tiny.qwen2_vl_folder(tmp_path)
    change(folder)
    with pytest.raises(CheckpointError, match=f"^checkpoint '{re.escape(str(folder))}': .*{reason}"):
        Qwen2VL(str(folder)).load("cpu")


def test_a_disk_that_fails_is_not_the_checkpoints_fault(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.ESTALE, "Stale file handle", "model.safetensors")

    folder = tiny.qwen2_vl_folder(tmp_path)
    monkeypatch.setattr(Qwen2VL.model_class, "from_pretrained", fail)
    with pytest.raises(OSError, match="Stale file handle"):
        Qwen2VL(str(folder)).load("cpu")


def test_a_checkpoint_of_another_family_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="a qwen2_vl is no model for LLaVA; choose the class_path of its family"):
        _ = LLaVA(str(tiny.qwen2_vl_folder(tmp_path))).extent


def own_code(folder, file, **settings):
    """Python code of the checkpoint's own, which `file` names; what it leaves when it is run."""
    ran = folder / "ran"
    (folder / "own.py").write_text(
        f"open({str(ran)!r}, 'w')\nclass Config: pass\nclass Tokenizer: pass\nclass Images: pass\n"
    )
    (folder / "custom_generate").mkdir()
    shutil.copy(folder / "own.py", folder / "custom_generate" / "generate.py")
    path = folder / file
    content = json.loads(path.read_text())
    inner = content["image_processor"] if "image_processor_type" in settings else content
    inner.update(settings)
    path.write_text(json.dumps(content))
    return ran


FOREIGN = {
    "config": ("config.json", {"model_type": "own", "auto_map": {"AutoConfig": "own.Config"}}),
    "images": (
        "processor_config.json",
        {"image_processor_type": "Own", "auto_map": {"AutoImageProcessor": "own.Images"}},
    ),
}
NATIVE = {
    "config": ("config.json", {"auto_map": {"AutoConfig": "own.Config", "AutoModelForImageTextToText": "own.Config"}}),
    "tokenizer": (
        "tokenizer_config.json",
        {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["own.Tokenizer", "own.Tokenizer"]}},
    ),
    "processor": ("processor_config.json", {"processor_class": "Own", "auto_map": {"AutoProcessor": "own.Images"}}),
}


@pytest.mark.parametrize("family", [Qwen2VL, Auto])
@pytest.mark.parametrize(("file", "settings"), FOREIGN.values(), ids=FOREIGN)
def test_code_of_a_checkpoint_is_refused_and_nobody_is_asked(tmp_path, monkeypatch, capsys, family, file, settings):
    """transformers would ask on the terminal, and run the code."""
    folder = tiny.qwen2_vl_folder(tmp_path)
    ran = own_code(folder, file, **settings)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 9))
    told = "it is published with Python code of its own, which is never run here; name one"
    vlm = family(str(folder))
    with pytest.raises(ValueError, match=f"^checkpoint '{re.escape(str(folder))}': {told}"):
        _ = vlm.extent, vlm.identity()
    assert not ran.exists()
    assert "[y/N]" not in capsys.readouterr().out


@pytest.mark.parametrize("family", [Qwen2VL, Auto])
@pytest.mark.parametrize(("file", "settings"), NATIVE.values(), ids=NATIVE)
def test_code_of_a_checkpoint_that_is_not_needed_is_passed_over(tmp_path, monkeypatch, family, file, settings):
    folder = tiny.qwen2_vl_folder(tmp_path)
    ran = own_code(folder, file, **settings)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 9))
    vlm = family(str(folder))
    vlm.identity()
    vlm.load("cpu")
    vlm.answer(vlm.ask([tiny.image(2, 3)], ["What?"]))
    assert not ran.exists()


CONFIGS = sorted((ROOT / "configs" / "vlm").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_is_a_command_that_loads_nothing(path, tmp_path, monkeypatch):
    job = cli.parse(["--vlm", path.stem, "--explainers", "cam"])
    config = yaml.safe_load(path.read_text())
    assert job.stems["vlm"] == path.stem
    assert job.config.vlm.class_path == config["class_path"]
    assert {name: job.config.vlm.init_args[name] for name in config["init_args"]} == config["init_args"]
    checkpoint = config["init_args"]["checkpoint"]
    if checkpoint.startswith(("./", "assets/")):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("pipeline.models.checkpoint.ROOT", tmp_path)
        with pytest.raises(cli.UsageError, match=rf"^--vlm\.checkpoint: .*{checkpoint}[^\n]*$"):
            job.build()
        (tmp_path / checkpoint).mkdir(parents=True)
    _, vlm, *_ = job.build()
    assert vlm.checkpoint == checkpoint
    with pytest.raises(RuntimeError, match="not loaded"):
        vlm.model  # noqa: B018


def test_every_checkpoint_of_the_paper_has_a_config():
    assert {*SIZES, "internvl25_2b_mpo", "internvl25_8b_mpo"} <= {path.stem for path in CONFIGS}
    for stem, (family, _) in SIZES.items():
        config = yaml.safe_load((ROOT / "configs" / "vlm" / f"{stem}.yaml").read_text())
        assert config["class_path"].endswith(f".{family.__name__}")


def test_padding_is_on_the_left(vlm):
    assert vlm.processor.tokenizer.padding_side == "left"
