"""PyTorch as a witness: the only part of archcalc that imports torch."""
