"""Many runs of `run_eval.py` by one yaml in the format of W&B, without any account."""
