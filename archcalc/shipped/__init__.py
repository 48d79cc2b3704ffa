"""The shipped architectures: the figures of `archcalc list`, and what is precomputed for them."""
