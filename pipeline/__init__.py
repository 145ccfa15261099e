"""Generate, explain, record: the evaluation of explanations of image-text models."""
