"""The shipped architectures: what `archcalc list` tells of them, and what is worked out before they are shipped."""
