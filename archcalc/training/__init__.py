"""What training a network means: so far, how the spread of initial weights changes from layer to layer."""
