"""Training of an embedded model in stages, from seeds, resumable. build.py is its command line.

Signals: words on symbolic grids (text), image-level labels of rendered pictures (names), captions of rendered scenes
(align, joint). Pixels are never paired with a mask or a box. Batches are functions of (stage, step), so that a killed
run continues exactly where its last checkpoint stood.
"""

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
import torch.nn.functional as F
from family import Family, Reader, Stage
from judge import judge
from scenes import CATEGORIES, COLOURS, PROMPT, Artist, Scene
from symbolic import SymbolicBatch
from torch import Tensor

SAVE_SECONDS = 120
TRAINING, VALIDATION = 1, 2
"""First number of the seeds of each split's scenes; the held-out split's is 3."""
FACTS = Path(__file__).parent / "training.json"


JUDGE_EVERY = 160
SINGLE_STEPS = 350
"""Steps of the stage `names` whose pictures hold one object; later ones hold up to three."""
SLOT_WEIGHT = 0.3
PLACE_WEIGHT = 0.3


class Trainer:
    """State of a run: model, stage, step, optimiser, CPU seconds; everything that a checkpoint holds."""

    def __init__(self, family: Family, work: Path, artist: Artist) -> None:
        self.family, self.work, self.artist = family, work, artist
        self.pool = ThreadPoolExecutor(2)
        self.tokenizer = family.tokenizer()
        self.processor = family.processor(self.tokenizer)
        self.model = family.model(self.tokenizer)
        encode = self.tokenizer.encode
        before, after = (encode(part) for part in family.around(self.processor, PROMPT))
        self.reader = Reader(family, before, after, self.tokenizer.pad_token_id)
        self.word = {name: encode(" " + name)[0] for name in CATEGORIES + COLOURS}
        self.nouns = torch.tensor([self.word[name] for name in CATEGORIES])
        self.stage = self.step = 0
        self.cpu_before = 0.0
        self.optimizers: list[torch.optim.Optimizer] = []

    @property
    def cpu_seconds(self) -> float:
        """CPU time of this and all earlier parts of the run."""
        return self.cpu_before + time.process_time()

    def log(self, text: str) -> None:
        """A line on the terminal and in the log, with CPU minutes."""
        line = f"{self.cpu_seconds / 60:6.1f} CPU-min  {text}"
        print(line, flush=True)
        with (self.work / "training.log").open("a") as file:
            file.write(line + "\n")

    def trainable(self, stage: Stage) -> list[torch.nn.Parameter]:
        """Parameters that a stage changes; the others are frozen."""
        visual = stage.name in ("names", "align")
        for name, parameter in self.model.named_parameters():
            in_tower = name.startswith(self.family.tower)
            parameter.requires_grad_((in_tower if visual else not in_tower) or stage.name in ("joint", "large"))
        return [p for p in self.model.parameters() if p.requires_grad]

    def start_stage(self) -> None:
        """A fresh optimiser for the current stage: Muon for matrices, AdamW for the rest."""
        parameters = self.trainable(self.family.stages[self.stage])
        tables = {id(module.weight) for module in self.model.modules() if isinstance(module, torch.nn.Embedding)}
        matrices = [p for p in parameters if p.ndim == 2 and id(p) not in tables]
        others = [p for p in parameters if p.ndim != 2 or id(p) in tables]
        rate = self.family.stages[self.stage].rate
        self.optimizers = [
            torch.optim.Muon(matrices, lr=rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(others, lr=rate, weight_decay=0.0, betas=(0.9, 0.98), fused=True),
        ]

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        state = {
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "stage": self.stage,
            "step": self.step,
            "cpu_seconds": self.cpu_seconds,
        }
        partial = self.work / "checkpoint.partial"
        torch.save(state, partial)
        partial.replace(self.work / "checkpoint.pt")

    def resume(self) -> None:
        """Continue from the checkpoint, where there is one."""
        path = self.work / "checkpoint.pt"
        if path.is_file():
            state = torch.load(path, weights_only=True)
            self.model.load_state_dict(state["model"])
            self.stage, self.step, self.cpu_before = state["stage"], state["step"], state["cpu_seconds"]
            if self.stage < len(self.family.stages):
                self.start_stage()
                for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
                    optimizer.load_state_dict(saved)
        else:
            self.start_stage()

    def ids(self, captions: list[str]) -> list[list[int]]:
        """Token ids of captions, each with the end token."""
        return [[*self.tokenizer.encode(text), self.tokenizer.eos_token_id] for text in captions]

    def caption_loss(self, hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Cross entropy of caption tokens, and the share of noun tokens (first of each name) that are right."""
        logits = self.model.lm_head(hidden).float().flatten(0, 1)
        flat = targets.flatten()
        noun = torch.isin(flat, self.nouns)
        right = (logits.detach()[noun].argmax(-1) == flat[noun]).float().mean()
        return F.cross_entropy(logits, flat, ignore_index=-100), right

    def symbolic_loss(self, rng: np.random.Generator, size: int, grid: int) -> tuple[Tensor, Tensor]:
        """Next-token loss on symbolic scenes: the caption and, with less weight, the slots of the grid."""
        batch = SymbolicBatch(rng, self.word, size, grid)
        table = self.model.get_input_embeddings().weight
        visual = batch.visual(table, rng, noise=0.5) + self.family.code(table, grid)
        slots, hidden, targets = self.reader.states(self.model, visual, self.ids(batch.captions))
        loss, right = self.caption_loss(hidden, targets)
        logits = self.model.lm_head(slots[:, :-1]).float().flatten(0, 1)
        return loss + SLOT_WEIGHT * F.cross_entropy(logits, batch.tokens[:, 1:].flatten()), right

    def scenes(self, size: int, count: int | None = None) -> list[Scene]:
        """This step's scenes, drawn by two threads."""
        seeds = ((TRAINING, self.stage, self.step, i) for i in range(size))
        return list(self.pool.map(lambda seed: self.artist.scene(*seed, count=count), seeds))

    def names_loss(self, step: int, size: int, grid: int) -> tuple[Tensor, Tensor]:
        """The label loss of rendered pictures, first of one object, then of up to three."""
        single = step < SINGLE_STEPS
        scenes = self.scenes(size, 1 if single else None)
        tokens = self.family.see(self.model, self.family.pixels([s.image for s in scenes], grid), whole=False).float()
        loss, right = self.label_loss(tokens, scenes)
        return loss + PLACE_WEIGHT * self.family.place_loss(self.model.get_input_embeddings().weight, tokens), right

    def label_loss(self, tokens: Tensor, scenes: list[Scene]) -> tuple[Tensor, Tensor]:
        """Image-level labels against the words' embeddings, pooled over the tokens by log-sum-exp."""
        table = self.model.get_input_embeddings().weight.detach()
        words = table[torch.tensor(list(self.word.values()))]
        logits = 24 * F.normalize(tokens, dim=-1) @ F.normalize(words - words.mean(0), dim=-1).T
        pooled = torch.logsumexp(logits, 1) - np.log(tokens.shape[1])
        objects, colours = pooled[:, : len(CATEGORIES)], pooled[:, len(CATEGORIES) :]
        loss = F.cross_entropy(colours, torch.tensor([COLOURS.index(s.colour) for s in scenes])) * 0.5
        rights = []
        present = torch.zeros_like(objects, dtype=torch.bool)
        for row, scene in enumerate(scenes):
            present[row, [CATEGORIES.index(name) for name in scene.names]] = True
        absent = objects.masked_fill(present, -1e9)
        for row, label in present.nonzero():
            alone = absent[row].index_put((label,), objects[row, label])
            loss = loss + F.cross_entropy(alone, label) / present.sum()
            rights.append(alone.argmax() == label)
        length = tokens.norm(dim=-1) / words.norm(dim=-1).mean()
        return loss + 0.1 * (length - 1).square().mean(), torch.stack(rights).float().mean()

    def loss(self, rng: np.random.Generator, size: int, grid: int) -> tuple[Tensor, Tensor]:
        """The current stage's loss and noun accuracy on its batch of this step."""
        stage = self.family.stages[self.stage]
        if stage.name == "text":
            return self.symbolic_loss(rng, size, grid)
        if stage.name == "names":
            return self.names_loss(self.step, size, grid)
        scenes = self.scenes(size)
        pixels = self.family.pixels([s.image for s in scenes], grid)
        visual = self.family.see(self.model, pixels, whole=stage.name == "large")
        _, hidden, targets = self.reader.states(self.model, visual, self.ids([s.caption for s in scenes]))
        loss, right = self.caption_loss(hidden, targets)
        if stage.labels:
            loss = loss + stage.labels * self.label_loss(visual.float(), scenes)[0]
        if stage.replay and self.step % 2 == 0:
            loss = loss + 2 * stage.replay * self.symbolic_loss(rng, size // 2, grid)[0]
        return loss, right

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """Train to the end, or until asked to stop; then the checkpoint holds the last step."""
        saved, losses, rights = time.monotonic(), [], []
        while self.stage < len(self.family.stages):
            stage = self.family.stages[self.stage]
            sides = list(stage.grids)
            while self.step < stage.steps:
                rng = np.random.default_rng((TRAINING, self.stage, self.step))
                grid = int(rng.choice(sides, p=[stage.grids[side][0] for side in sides]))
                falling = (stage.steps - self.step) / max(stage.decay * stage.steps, 1)
                rate = stage.rate * min(1, (self.step + 1) / 50, max(0.05, falling))
                for optimizer in self.optimizers:
                    optimizer.zero_grad(set_to_none=True)
                    for group in optimizer.param_groups:
                        group["lr"] = rate
                with torch.autocast("cpu", torch.bfloat16):
                    loss, right = self.loss(rng, stage.grids[grid][1], grid)
                loss.backward()
                torch.nn.utils.clip_grad_norm_([p for p in self.model.parameters() if p.requires_grad], 1.0)
                for optimizer in self.optimizers:
                    optimizer.step()
                self.step += 1
                losses.append(loss.item())
                rights.append(right.item())
                if self.step % 50 == 0:
                    self.log(
                        f"{stage.name:6} step {self.step:5}  loss {np.mean(losses):.3f}  nouns {np.mean(rights):.3f}"
                    )
                    losses, rights = [], []
                if stage.name in ("align", "joint", "large") and self.step % JUDGE_EVERY == 0:
                    self.judge(48)
                if time.monotonic() - saved > SAVE_SECONDS:
                    self.save()
                    saved = time.monotonic()
                if until():
                    self.save()
                    return
            self.stage, self.step = self.stage + 1, 0
            if self.stage < len(self.family.stages):
                self.start_stage()
            self.save()

    def export(self) -> None:
        """Write model, tokenizer, chat template and processor as from_pretrained reads them, and what was trained."""
        self.model.eval().save_pretrained(self.family.folder)
        self.processor.save_pretrained(self.family.folder)
        done = {
            stage.name: stage.steps if index < self.stage else self.step if index == self.stage else 0
            for index, stage in enumerate(self.family.stages)
        }
        facts = {
            "finished": self.stage == len(self.family.stages),
            "steps": done,
            "steps_planned": {stage.name: stage.steps for stage in self.family.stages},
            "cpu_minutes": round(self.cpu_seconds / 60, 1),
            "font_sha256": self.artist.sha256,
            "torch": torch.__version__,
        }
        known = json.loads(FACTS.read_text()) if FACTS.is_file() else {}
        FACTS.write_text(json.dumps(known | {self.family.name: facts}, indent=2) + "\n")

    def judge(self, count: int) -> None:
        """Log figures on validation scenes, which are neither trained on nor held out."""
        scenes = [self.artist.scene(VALIDATION, i) for i in range(count)]
        figures = judge(self.family, self.model.eval(), self.processor, scenes)
        self.model.train()
        self.log("valid   " + "  ".join(f"{name} {value:.3f}" for name, value in figures.items()))
