"""CP-LRP: conservative propagation of relevance."""

from pipeline.explainers.positions import RelevanceExplainer


class CPLRP(RelevanceExplainer):
    """Conservative LRP for transformers (Ali et al. 2022), in the language model.

    Gradient times input at the embeddings, with attention weights, gates of the MLPs and scales of the norms held
    constant. What is left is linear, so the relevance of all positions and the share of the biases add up to the
    token's logit. Map: the visual tokens; text scores: the text.

    Relevance is read at the language model's input, not at the pixels, which the paper on MSEA leaves open.
    """

    rule = "cp"
