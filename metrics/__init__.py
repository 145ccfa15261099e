"""Pure functions from evidence to sums, and the torchmetrics classes around them."""
