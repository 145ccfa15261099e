"""The explainers, one a file, named as their papers name them."""
