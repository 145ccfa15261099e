"""Hashed are exactly the files that are loaded, and links lead nowhere."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.models import files
from pipeline.models.auto import Auto
from pipeline.models.base import VLM
from pipeline.models.checkpoint import CheckpointError
from pipeline.models.qwen2_vl import Qwen2VL
from pipeline.models.trial import Refused, tried
from tests import tiny
from tests.hostile_changes import index, text


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with weights in a folder of their own, and a further chat template."""
    folder = tiny.qwen2_vl_folder(tmp_path_factory.mktemp("sound") / "model")
    index("parts/part-1.safetensors")(folder)
    template = (folder / "chat_template.jinja").read_text()
    text("additional_chat_templates/other.jinja", template)(folder)
    return folder


def everything(folder: Path) -> list[Path]:
    """Return all files in a folder."""
    return [path.resolve() for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("family", [Qwen2VL, Auto])
def test_what_is_opened_is_what_is_hashed(sound: Path, family: type[VLM], monkeypatch: pytest.MonkeyPatch) -> None:
    """In a child, where the audit hook that sees every file stays."""
    monkeypatch.setattr("pipeline.models.trial.SECONDS", 100)

    def opened() -> list[str]:
        vlm = family(str(sound))
        vlm.weigh()
        seen: set[str] = set()

        def see(event: str, args: tuple) -> None:
            if event == "open" and str(args[0]).startswith(str(sound)):
                seen.add(Path(os.path.realpath(args[0])).relative_to(sound).as_posix())

        sys.addaudithook(see)
        vlm.load("cpu")
        _ = vlm.generation
        return sorted(seen)

    vlm, weights = family(str(sound)), {"parts/part-1.safetensors"}  # which a library opens past the hook
    assert {*tried(opened, everything(sound)), *weights} == {*vlm.texts, *vlm.weights}


HASHED = ("config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json", "processor_config.json")
HASHED += ("chat_template.jinja", "additional_chat_templates/other.jinja", "model.safetensors.index.json")


@pytest.mark.parametrize("name", HASHED)
def test_every_file_that_is_loaded_is_hashed(tmp_path: Path, sound: Path, name: str) -> None:
    folder = Path(shutil.copytree(sound, tmp_path / "model"))
    before = Qwen2VL(str(folder)).content()
    (folder / name).write_text((folder / name).read_text() + "\n")
    assert Qwen2VL(str(folder)).content() != before


def test_weights_in_a_folder_of_their_own_are_hashed(tmp_path: Path, sound: Path) -> None:
    folder = Path(shutil.copytree(sound, tmp_path / "model"))
    before, path = Qwen2VL(str(folder)).content(), folder / "parts" / "part-1.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    assert Qwen2VL(str(folder)).content() != before


def test_files_that_are_not_loaded_are_not_hashed(tmp_path: Path, sound: Path) -> None:
    folder = Path(shutil.copytree(sound, tmp_path / "model"))
    before = Qwen2VL(str(folder)).content()
    for name in ("README.md", "notes.json", "notes.txt", "consolidated.safetensors", "conversion.json"):
        (folder / name).write_text("later")
    assert Qwen2VL(str(folder)).content() == before


def test_a_single_file_of_weights_wins_over_an_index(tmp_path: Path, sound: Path) -> None:
    folder = Path(shutil.copytree(sound, tmp_path / "model"))
    shutil.copy(folder / "parts" / "part-1.safetensors", folder / "model.safetensors")
    assert files.weights(folder.resolve()) == ("model.safetensors",)


@pytest.fixture
def cached(tmp_path: Path, sound: Path) -> Path:
    """The same checkpoint as a hub cache has it: links into the blobs of its repository."""
    repository = tmp_path / "models--owner--tiny"
    folder = Path(shutil.copytree(sound, repository / "snapshots" / ("a" * 40)))
    blobs = repository / "blobs"
    blobs.mkdir()
    for number, path in enumerate(sorted(everything(folder))):
        shutil.move(path, blobs / str(number))
        path.symlink_to(os.path.relpath(blobs / str(number), path.parent))
    return folder


def test_links_of_a_hub_cache_are_followed(cached: Path, sound: Path) -> None:
    assert Qwen2VL(str(cached)).content() == Qwen2VL(str(sound)).content()


@pytest.mark.parametrize("place", ["../../../models--owner--other/blobs/1", "../../refs/main", "../../../outside"])
def test_links_out_of_its_repository_are_refused(cached: Path, place: str) -> None:
    target = Path(os.path.normpath(cached / place))
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(cached / "config.json", target)
    (cached / "config.json").unlink()
    (cached / "config.json").symlink_to(place)
    with pytest.raises(CheckpointError, match=r"config\.json is a link that leads out of the folder"):
        Qwen2VL(str(cached)).content()


FORBIDDEN = {
    "reading": lambda: open("/etc/hostname").read(),  # noqa: SIM115
    "writing": lambda: open("/tmp/seen", "w").write("x"),  # noqa: SIM115
    "a program": lambda: os.system("true"),
    "another": lambda: __import__("subprocess").run(["true"]),
    "the network": lambda: __import__("socket").create_connection(("127.0.0.1", 9)),
    "deleting": lambda: os.remove("/tmp/seen"),
}


@pytest.mark.parametrize("work", FORBIDDEN.values(), ids=FORBIDDEN)
def test_a_child_reaches_nothing_even_where_that_is_caught(work) -> None:
    def quiet() -> int:
        try:
            work()
        except Exception:
            return 1
        return 0

    with pytest.raises(Refused, match=r"^reading it would .*, which is not allowed"):
        tried(quiet, [])


def test_a_child_is_limited_and_only_json_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.models.trial.SECONDS", 1)

    def forever() -> None:
        while True:
            pass

    with pytest.raises(Refused, match="more than 1 s of computing"):
        tried(forever, [])
    with pytest.raises(Refused, match="memory"):
        tried(lambda: bytearray(2**33)[0], [])
    with pytest.raises(Refused, match="SIGABRT"):
        tried(os.abort, [])
    assert tried(lambda: {"a": [1, None, "\x1b"]}, []) == {"a": [1, None, "\x1b"]}
    with pytest.raises(OSError, match="Input/output error"):
        tried(lambda: (_ for _ in ()).throw(OSError(5, "x", "file")), [])


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
@pytest.mark.parametrize("read", [files.record, files.elements, files.digest])
def test_a_file_that_is_another_once_it_is_opened_is_refused_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, read: Callable[..., object]
) -> None:
    name = "config.json" if read is files.record else "model.safetensors"
    place = tmp_path / name
    monkeypatch.setattr(files, "regular", lambda folder, name, limit=None: place)  # it was a file a moment ago
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "link":
        place.symlink_to(Path(__file__))
    else:
        place.mkdir()
    with pytest.raises(ValueError, match=rf"^{name} is no regular file$"):
        read(tmp_path, *((name, 100) if read is files.record else ([name],)))
