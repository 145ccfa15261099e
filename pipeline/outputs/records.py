"""The row: what is known of one sample after the run, one JSON object a line. (See Row.)"""
