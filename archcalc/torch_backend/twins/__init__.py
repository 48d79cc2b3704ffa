"""Modules that PyTorch does not have, made of its functions: what the twins of some layer kinds lead to."""
