"""The offline page: what runs found, in a folder that opens from disk. A view, which changes no run folder."""
