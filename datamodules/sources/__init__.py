"""Published datasets, each a sequence of records."""
