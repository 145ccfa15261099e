"""A tiny LLaVA-1.5: CLIP at a fixed size, features of the last but one block, Llama."""

from typing import Any

import torch
from family import BLOCKS, FFN, HEADS, HERE, KV_HEADS, WIDTH, Stage, render
from fixed import CANVAS, Fixed, corner
from tokenizer import build_tokenizer
from torch import Tensor
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    GenerationConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

PATCH = 16
SPECIAL = ("<unk>", "<s>", "</s>", "<pad>", "<image>")
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}USER: {% else %}ASSISTANT: {% endif %}"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' %}<image>\n{% elif 'text' in content %}{{ content['text'] }}{% endif %}"
    "{% endfor %}{% endif %} {% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


class Llava(Fixed):
    """CLIP of width 128, five blocks of which four are used; one token per patch of 16 pixels."""

    name = "llava"
    folder = HERE / "model_llava"
    tower = ("model.vision_tower", "model.multi_modal_projector")
    cell = PATCH
    stages = (
        Stage("text", 600, 2e-3, 0.3, {6: (0.4, 48), 8: (0.45, 32), 12: (0.15, 16)}),
        Stage("names", 480, 2e-3, 0.1, {6: (0.35, 64), 8: (0.4, 48), 12: (0.25, 24)}),
        Stage("align", 160, 1.5e-3, 0.1, {6: (0.35, 64), 8: (0.4, 48), 12: (0.25, 24)}),
        Stage("joint", 240, 1.5e-3, 0.0, {6: (0.2, 48), 8: (0.35, 40), 10: (0.15, 24), 12: (0.3, 20)}, 0.2),
        Stage(
            "large",
            560,
            1.5e-3,
            0.6,
            {5: (0.1, 20), 6: (0.12, 20), 8: (0.1, 20), 9: (0.13, 20), 12: (0.55, 20)},
            0.2,
            0.1,
        ),
    )

    def tokenizer(self) -> PreTrainedTokenizerFast:
        return build_tokenizer(SPECIAL, CHAT_TEMPLATE, end="</s>", padding="<pad>")

    def processor(self, tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
        side = CANVAS * PATCH
        image_processor = CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
        return LlavaProcessor(
            image_processor,
            tokenizer,
            patch_size=PATCH,
            vision_feature_select_strategy="default",
            num_additional_image_tokens=1,
            chat_template=CHAT_TEMPLATE,
        )

    def model(self, tokenizer: PreTrainedTokenizerFast, seed: int = 0) -> LlavaForConditionalGeneration:
        torch.manual_seed(seed)
        id_of = tokenizer.convert_tokens_to_ids
        config = LlavaConfig(
            vision_config=CLIPVisionConfig(
                hidden_size=128,
                intermediate_size=512,
                num_hidden_layers=BLOCKS + 1,
                num_attention_heads=4,
                image_size=CANVAS * PATCH,
                patch_size=PATCH,
                projection_dim=128,
            ),
            text_config=LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=WIDTH,
                intermediate_size=FFN,
                num_hidden_layers=BLOCKS,
                num_attention_heads=HEADS,
                num_key_value_heads=KV_HEADS,
                max_position_embeddings=2048,
                bos_token_id=id_of("<s>"),
                eos_token_id=id_of("</s>"),
                pad_token_id=id_of("<pad>"),
                rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
                tie_word_embeddings=True,
            ),
            image_token_index=id_of("<image>"),
            image_seq_length=CANVAS * CANVAS,
            vision_feature_layer=-2,
            vision_feature_select_strategy="default",
            tie_word_embeddings=True,
        )
        model = LlavaForConditionalGeneration(config)
        model.generation_config = GenerationConfig(
            do_sample=False, eos_token_id=id_of("</s>"), pad_token_id=id_of("<pad>")
        )
        return model

    def around(self, processor: Any, prompt: str) -> tuple[str, str]:
        before, after = render(processor, prompt).split("<image>")
        return before, after

    def see(self, model: LlavaForConditionalGeneration, pixels: Tensor, whole: bool) -> Tensor:
        tower = model.model.vision_tower
        if whole:
            pixels = self.padded(pixels)
        grid = pixels.shape[-1] // PATCH
        embeddings = tower.embeddings
        patches = embeddings.patch_embedding(pixels).flatten(2).transpose(1, 2)
        first = embeddings.class_embedding.expand(len(pixels), 1, -1)
        places = embeddings.position_embedding.weight[torch.cat((torch.zeros(1, dtype=torch.long), corner(grid) + 1))]
        hidden = tower.pre_layrnorm(torch.cat((first.to(patches.dtype), patches), 1) + places)
        for block in tower.encoder.layers[: model.config.vision_feature_layer + 1]:
            hidden = block(hidden, None)
        return model.model.multi_modal_projector(hidden[:, 1:])
