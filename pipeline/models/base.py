"""The verbs of a model, once for all families; padding exists only in this folder."""
