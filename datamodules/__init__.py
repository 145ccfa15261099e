"""Samples with masks, streamed as verified shards."""
