"""A model that remembers gives what it would give, to the last bit, and is loaded only for what is new."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from pipeline.cache import Cache, footprint, in_bytes, readable
from pipeline.explainers.attention import Attention
from pipeline.explainers.attention_rollout import AttentionRollout
from pipeline.explainers.base import Explainer
from pipeline.explainers.cam import CAM
from pipeline.explainers.grad_cam import GradCAM
from pipeline.explainers.grad_cam_pp import GradCAMPP
from pipeline.explainers.layer_cam import LayerCAM
from pipeline.explainers.msea import MSEA
from pipeline.explainers.msea_arc import MSEAARC
from pipeline.explainers.tam import TAM
from pipeline.models.auto import Auto
from pipeline.models.base import VLM
from pipeline.models.checkpoint import Checkpoint
from pipeline.models.passes import Passes
from pipeline.remembered import Inputs, NotLoadedError, Remembered
from pipeline.store import held
from tests import tiny, tiny_auto

CPU = torch.device("cpu")
FAMILIES = tiny.FAMILIES | {"qwen3_vl": tiny_auto.FAMILIES["qwen3_vl"]}
PROMPTS = ["Describe this image.", "", "What is on the table, a dog or a teddy bear?"]
LENS: tuple[Explainer, ...] = (
    CAM(),
    TAM(),
    TAM(compat=True),
    MSEAARC(scales=(0.5, 0.75), k=7),
    MSEAARC(valid_ids_only=True, interference="arc", rank_position="own"),
    MSEA(base=CAM(), scales=(0.5, 1.0)),
    GradCAM(),
    GradCAMPP(),
    LayerCAM(),
)

CAUSAL: tuple[Explainer, ...] = (GradCAM(preset="causal"), LayerCAM(preset="causal"))


def explained(vlm: VLM, explainers: tuple[Explainer, ...] = LENS, given: bool = False) -> list[Tensor]:
    """All that explainers say of one batch; `given`: about answers that the model did not generate."""
    images = [tiny.image(3, 4, 0), tiny.image(5, 2, 1), tiny.image(4, 6, 2)]
    queries = vlm.ask(images, PROMPTS)
    answers, traces = vlm.answer(queries)
    if given:
        answers, traces = [vlm.spell("A dog."), vlm.read([], True), vlm.read(answers[2].ids[:3], False)], None
    passes = Passes(vlm, queries, answers, traces)
    found = [each.explain(passes, q, a) for each in explainers for q, a in zip(queries, answers, strict=True)]
    ids = [torch.tensor(answer.ids) for answer in answers]
    return [*ids, *(part for one in found for part in (one.maps, one.scores, one.valid))]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def again(vlm: VLM) -> VLM:
    """The same checkpoint, not loaded."""
    return type(vlm)(vlm.location, dtype=str(vlm.dtype).removeprefix("torch."), max_new_tokens=vlm.max_new_tokens)  # type: ignore[arg-type]


@pytest.fixture
def remember(tmp_path: Path) -> Callable[..., Remembered]:
    """A model that remembers in one folder, for all that are made in a test."""

    def made(vlm: VLM, limit: int = 10**9) -> Remembered:
        return Remembered(again(vlm), Cache(tmp_path, limit, vlm.identity()), CPU)

    return made


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From when it is called on no model can be loaded."""

    def refuse(self: Checkpoint, device: torch.device) -> None:
        raise RuntimeError("out of luck")

    def from_now_on() -> None:
        monkeypatch.setattr(Checkpoint, "load", refuse)

    return from_now_on


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> VLM:
    return tiny.qwen2_vl(tmp_path_factory.mktemp("qwen2_vl"))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_cold_warm_and_without_are_equal_to_the_last_bit(
    family: str, dtype: str, tmp_path_factory: pytest.TempPathFactory, remember, never
) -> None:
    made = FAMILIES[family](tmp_path_factory.mktemp(family))
    vlm = type(made)(made.location, dtype=dtype, max_new_tokens=6)  # type: ignore[arg-type]
    vlm.load("cpu")
    plain = explained(vlm)
    cold = remember(vlm)
    assert same(explained(cold), plain)
    assert cold.loaded
    assert cold.known < cold.asked
    never()
    warm = remember(vlm)
    assert same(explained(warm), plain)
    assert (warm.known, warm.loaded) == (warm.asked, False)
    assert warm.report(None) == f"cache: {warm.asked} of {warm.asked} requests known; the model was not loaded"


def test_given_answers_are_remembered_too(qwen: VLM, remember, never) -> None:
    plain = explained(qwen, given=True)
    assert same(explained(remember(qwen), given=True), plain)
    never()
    assert same(explained(remember(qwen), given=True), plain)


def test_windows_of_an_enlarged_image_are_remembered(tmp_path: Path, never) -> None:
    folder = tiny.llava_folder(tmp_path / "llava")
    cls, explainer = type(tiny.llava(tmp_path / "other")), (MSEAARC(scales=(1.0, 1.5)),)
    plain = cls(str(folder), max_new_tokens=4, oversize="windows")
    plain.load("cpu")
    cache, wanted = Cache(tmp_path / "cache", 10**9, plain.identity()), explained(plain, explainer)
    for first in (True, False):
        one = Remembered(cls(str(folder), max_new_tokens=4, oversize="windows"), cache, CPU)
        assert same(explained(one, explainer), wanted)
        assert one.loaded is first
        never()


def test_what_is_missing_is_asked_and_the_rest_is_not(qwen: VLM, remember) -> None:
    plain = explained(qwen)
    first = remember(qwen)
    explained(first)
    entries = sorted(first.store.folder.glob("*.safetensors"))
    for part in range(3):
        for path in entries[part::3]:
            path.unlink()
        half = remember(qwen)
        assert same(explained(half), plain)
        assert half.loaded
        assert 0 < half.known < half.asked
        assert sorted(first.store.folder.glob("*.safetensors")) == entries, "what was missing is there again"


def test_damage_changes_no_result_and_is_mended(qwen: VLM, remember, never) -> None:
    plain = explained(qwen)
    first = remember(qwen)
    explained(first)
    entries = sorted(first.store.folder.glob("*.safetensors"))
    for number, path in enumerate(entries):
        data = bytearray(path.read_bytes())
        place = [8, len(data) // 3, len(data) // 2, len(data) - 1][number % 4]  # in the header, in the tensors
        data[place] ^= 1
        path.write_bytes(data[: len(data) // 2] if number % 5 == 4 else data)
    damaged = remember(qwen)
    with pytest.warns(UserWarning, match="damaged or foreign") as told:
        found = explained(damaged)
    assert same(found, plain)
    assert len(told) == len(entries)
    assert damaged.loaded
    never()
    assert same(explained(remember(qwen)), plain)


def named(told: pytest.WarningsRecorder) -> set[Path]:
    """The entries that warnings are about."""
    return {Path(re.findall(r"^cache: (.*\.safetensors) ", str(warning.message))[0]) for warning in told}


def test_whatever_lies_in_the_place_of_entries_changes_no_result(qwen: VLM, remember, tmp_path: Path) -> None:
    plain, first = explained(qwen), remember(qwen)
    explained(first)
    entries = sorted(first.store.folder.glob("*.safetensors"))
    outside, sound = tmp_path / "outside", entries[0].read_bytes()
    outside.write_bytes(sound)
    ways = [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(sound),
        lambda path: path.symlink_to(outside),
        lambda path: path.symlink_to(path),
        lambda path: path.mkdir(),
        os.mkfifo,
    ]
    for number, path in enumerate(entries):
        path.unlink()
        ways[number % len(ways) if number else 0](path)
    strange = remember(qwen)
    with pytest.warns(UserWarning, match=r"(damaged or foreign|cannot be read), and") as told:
        assert same(explained(strange), plain)
    assert named(told) == set(entries)
    assert outside.read_bytes() == sound
    mended = remember(qwen)
    with pytest.warns(UserWarning, match="Is a directory") as told:
        assert same(explained(mended), plain)
    assert named(told) == {path for path in entries if path.is_dir()}
    assert mended.asked - mended.known == len(told), "as often as each is asked for"


def test_a_shorter_ranking_is_known_and_a_longer_one_adds_an_entry(qwen: VLM, remember, never) -> None:
    vocabulary = qwen.extent.vocabulary
    assert vocabulary > 70
    first = remember(qwen)
    explained(first, (MSEAARC(k=10),))
    before = len(list(first.store.folder.iterdir()))
    assert same(explained(remember(qwen), (MSEAARC(k=70),)), explained(qwen, (MSEAARC(k=70),)))
    assert len(list(first.store.folder.iterdir())) == before + 1
    with pytest.raises(ValueError, match="best tokens asked"):
        first.top(torch.zeros(1, 32), vocabulary + 1)
    shorter = explained(qwen, (MSEAARC(k=50, p=0.5, relu="both"),))
    never()
    assert same(explained(remember(qwen), (MSEAARC(k=50, p=0.5, relu="both"),)), shorter)


@pytest.mark.parametrize("explainer", [AttentionRollout(), MSEA(base=Attention(), scales=(0.5,)), *CAUSAL])
def test_what_is_not_remembered_is_the_loaded_models_own(qwen: VLM, remember, explainer: Explainer) -> None:
    plain = explained(qwen, (CAM(), explainer))
    assert same(explained(remember(qwen), (CAM(), explainer)), plain)
    warm = remember(qwen)
    assert same(explained(warm, (CAM(),)), explained(qwen, (CAM(),)))
    assert not warm.loaded
    assert same(explained(warm, (CAM(), explainer)), plain)
    assert warm.loaded


def test_a_model_that_cannot_be_loaded_is_not_the_samples_fault(qwen: VLM, remember, never) -> None:
    first = remember(qwen)
    explained(first)
    never()
    warm = remember(qwen)
    with pytest.raises(NotLoadedError, match=f"{re.escape(qwen.location)}: RuntimeError: out of luck"):
        warm.ask([tiny.image(2, 2)], ["New?"])


def test_a_full_cache_changes_nothing(qwen: VLM, remember) -> None:
    small = remember(qwen, limit=60_000)
    with pytest.warns(UserWarning, match="is full") as told:
        found = explained(small)
    assert same(found, explained(qwen))
    assert len(told) == 1
    assert 30_000 < held(small.store.root) <= 60_000


def test_no_ids_are_no_logits(qwen: VLM, remember) -> None:
    none = torch.empty(0, dtype=torch.long)
    found = remember(qwen).unembed(torch.zeros(3, 32), none)
    assert (found.shape, found.dtype) == ((3, 0), torch.float32)


def test_inputs_are_made_when_they_are_read() -> None:
    made = []
    whole = {"pixel_values": torch.ones(2), "input_ids": torch.ones(1, 3)}
    inputs = Inputs(list(whole), whole["input_ids"], lambda: made.append(1) or whole)  # type: ignore[func-returns-value]
    assert inputs["input_ids"] is whole["input_ids"]
    assert (list(inputs), len(inputs), made) == (list(whole), 2, [])
    assert inputs["pixel_values"] is whole["pixel_values"]
    assert dict(inputs) == whole
    assert made == [1]


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_what_an_image_will_take_is_known_before(family: str, tmp_path: Path) -> None:
    vlm, image = tiny.FAMILIES[family](tmp_path / "model"), tiny.image(8, 8)
    told = footprint(again(vlm), again(vlm).preview(image, PROMPTS[0]), MSEAARC().scales)
    one = Remembered(vlm, Cache(tmp_path / "cache", 10**9, vlm.identity()), CPU)
    queries = one.ask([image], PROMPTS[:1])
    answers, traces = one.answer(queries)
    MSEAARC().explain(Passes(one, queries, answers, traces), queries[0], answers[0])  # type: ignore[arg-type]
    entries = [safetensors.torch.load_file(path) for path in one.store.folder.glob("*.safetensors")]
    taken = sum(tensor.nbytes for entry in entries for tensor in entry.values() if tensor.ndim == 2)

    assert taken == pytest.approx(told, rel=0.2)


@pytest.mark.parametrize(("family", "tokens"), [("gemma3", 64), ("qwen3_vl", 48)])
def test_a_model_that_must_be_measured_first_shows_its_tokens_before(family: str, tokens: int, tmp_path: Path) -> None:
    vlm = Auto(str(tiny_auto.FOLDERS[family](tmp_path)))
    assert len(vlm.preview(tiny.image(8, 6), PROMPTS[0]).vision) == tokens
    assert vlm.order is None


@pytest.mark.parametrize(("text", "number"), [("50GB", 50 * 10**9), ("1.5 MB", 1_500_000), ("0B", 0), ("20kB", 20_000)])
def test_sizes_are_read(text: str, number: int) -> None:
    assert in_bytes(text) == number


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (17_234_567, "17.2 MB"), (10**17, "100,000 TB")]
)
def test_sizes_are_written(number: int, text: str) -> None:
    assert readable(number) == text
