"""Mathematics as functions of tensors."""
