"""MSEA alone, over any explainer."""

import math
from collections.abc import Sequence

import torch

from pipeline.explainers.base import Explainer, Passes, checked, one_of
from pipeline.ops.maps import Fuse, fuse
from pipeline.types import Answer, Explanation, Extent, Query


class MSEA(Explainer):
    """Multi-Scale Explanation Aggregation (arXiv 2509.22415, eq. 2-5) of the raw maps of another explainer.

    The answer is given to the model about the image at every scale, each time explained by `base`, and the maps,
    brought to the token grid of scale 1, are fused. Text scores are those of scale 1. Over CAM this is `msea_arc` with
    `interference: none`, `relu: both` and no filter. The paper applies it to logit maps only; raw maps of other
    explainers may differ in size from scale to scale (attention is spread over fewer tokens in a smaller image), and
    are fused as they are. Models with inputs of fixed size show no scale above 1.

    Args:
        base: the explainer. It must not look at several scales itself; its filter and normalisation are kept.
        scales: factors of the image's size whose maps are fused; one listed twice counts twice.
        fuse: mean over the scales, or their maximum.
    """

    windows = False

    def __init__(self, *, base: Explainer, scales: Sequence[float] = (0.5, 0.75, 1.0), fuse: Fuse = "mean") -> None:
        if not scales or not all(0 < scale < math.inf for scale in scales):
            raise ValueError(f"scales: at least one, each positive and finite, got {scales}")
        if set(base.scales) != {1.0}:
            raise ValueError(f"base: {type(base).__name__} looks at several scales itself: {base.scales}")
        one_of("fuse", fuse, Fuse)
        self.base, self.fused, self.fuse = base, tuple(scales), fuse
        self.scales = tuple(dict.fromkeys((*scales, 1.0)))
        self.needs = base.needs
        self.rank_filter, self.normalise, self.floor = base.rank_filter, base.normalise, base.floor

    def formula(self) -> str:
        return self.base.formula() if set(self.fused) == {1.0} else super().formula()

    def check(self, extent: Extent) -> None:
        try:
            self.base.check(extent)
        except ValueError as error:
            raise ValueError(f"base.{error}") from error

    @torch.no_grad()
    def explain(self, passes: Passes, query: Query, answer: Answer) -> Explanation:
        layout, found = query.layout, {1.0: checked(self.base.explain(passes, query, answer), query, answer)}
        for scale in self.fused:
            if scale not in found:
                seen, shown = passes.at(query, scale)
                found[scale] = checked(self.base.explain(seen, shown, answer), shown, answer)
        one = found[1.0]
        maps = fuse([found[scale].maps for scale in self.fused], layout.rows, layout.cols, self.fuse)
        return Explanation(maps, one.scores, one.valid, one.notes)
