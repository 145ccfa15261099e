"""Signatures are checked while tests run: shapes by jaxtyping, types by beartype."""

from jaxtyping import install_import_hook

install_import_hook(["pipeline", "metrics", "datamodules"], "beartype.beartype")
