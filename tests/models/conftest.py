"""Tiny models, built once a session; no test changes them."""

import pytest

from pipeline.models.base import VLM
from pipeline.models.qwen2_vl import Qwen2VL
from tests import tiny, tiny_auto

ALL = tiny.FAMILIES | tiny_auto.FAMILIES


@pytest.fixture(scope="session", params=ALL)
def vlm(request, tmp_path_factory) -> VLM:
    """One of each family; eight tokens an answer, never ended."""
    return ALL[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def qwen(tmp_path_factory) -> Qwen2VL:
    """A family that takes pictures of any size."""
    return tiny.qwen2_vl(tmp_path_factory.mktemp("qwen2_vl"))


@pytest.fixture(scope="session")
def asked(vlm):
    """Three images of different sizes with prompts of different lengths."""
    images = [tiny.image(3, 4, 0), tiny.image(5, 2, 1), tiny.image(4, 6, 2)]
    return vlm.ask(images, ["Describe this image.", "What?", "What is on the table, a dog or a teddy bear?"])


@pytest.fixture(scope="session")
def said(vlm, asked):
    """Their answers and the traces that generation left."""
    return vlm.answer(asked)
