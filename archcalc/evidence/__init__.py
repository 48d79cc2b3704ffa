"""Witnesses beside figures: agreement layer by layer and of outputs, measured times, and published claims."""
