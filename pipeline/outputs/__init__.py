"""What a run leaves behind: rows, and the views made from them."""
