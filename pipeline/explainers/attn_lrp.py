"""AttnLRP: relevance through attention weights as well."""

from pipeline.explainers.positions import RelevanceExplainer


class AttnLRP(RelevanceExplainer):
    """AttnLRP (Achtibat et al. 2024), in the language model.

    Gradient times input at the embeddings, where a product passes half its relevance to either factor (gated MLPs;
    attention: values 1/2, queries and keys 1/4 each), the softmax its gradient, an activation function its output over
    its input, and norms a constant scale. The softmax rule leaves relevance behind: the sum over positions is not the
    token's logit. Map: the visual tokens; text scores: the text.

    Relevance is read at the language model's input, not at the pixels, which the paper on MSEA leaves open.
    """

    rule = "attn"
