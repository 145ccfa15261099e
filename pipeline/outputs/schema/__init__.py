"""What the files of a run folder may hold: every field by type, range and length, in one place."""
