"""What ranks that are forked from one process need not do themselves: the imports, and reading the word backend."""

import contourpy  # noqa: F401
import nltk.translate.meteor_score  # noqa: F401
import transformers.models.qwen2_vl.modeling_qwen2_vl  # noqa: F401

import pipeline.evaluation
import pipeline.models.qwen2_vl  # noqa: F401
import run_eval  # noqa: F401
import tests.ranks
import tests.witness  # noqa: F401
from metrics.words import tagger

tagger("hanta")
