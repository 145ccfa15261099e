"""Generate, explain, record: the evaluation of explanations of image-text models."""

__version__ = "0.1.0"
