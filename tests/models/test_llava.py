"""What is particular to LLaVA: processors of all ages, and templates."""

import json

import pytest
import torch

from pipeline.models.llava import LLaVA
from tests import tiny
from tests.checkpoints import PATCH


def test_a_processor_that_lacks_the_towers_facts_works_as_one_that_has_them(tmp_path):
    image = tiny.image(5, 6)
    whole = tiny.llava(tmp_path).ask([image], ["What?"])[0]
    path = tmp_path / "processor_config.json"
    facts = ("patch_size", "vision_feature_select_strategy", "num_additional_image_tokens")
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k not in facts}))
    old = LLaVA(str(tmp_path))
    assert old.processor.patch_size == PATCH
    query = old.ask([image], ["What?"])[0]
    assert all(torch.equal(query.inputs[name], whole.inputs[name]) for name in whole.inputs)


def test_a_checkpoint_without_a_chat_template_is_refused(tmp_path):
    tiny.llava_folder(tmp_path)
    (tmp_path / "chat_template.jinja").unlink()
    with pytest.raises(ValueError, match="no chat template: put a"):
        LLaVA(str(tmp_path)).identity()
