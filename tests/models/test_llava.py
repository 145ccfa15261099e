"""What is particular to LLaVA: processors of all ages, and templates."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

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


@pytest.mark.parametrize("size", [(640, 427), (427, 640), (33, 65), (900, 64), (7, 5)], ids=str)
def test_crop_feeds_the_tower_what_the_checkpoints_own_processor_would(tmp_path, size):
    folder = str(tiny.llava_folder(tmp_path))
    vlm = LLaVA(folder, canvas="crop")
    noise = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    (query,) = vlm.ask([Image.fromarray(noise)], ["What?"])
    own = vlm.processor(images=[Image.fromarray(noise)], text=[vlm.render("What?")], return_tensors="pt")
    assert torch.equal(query.inputs["pixel_values"], own["pixel_values"])
    assert torch.equal(query.inputs["input_ids"], own["input_ids"])
