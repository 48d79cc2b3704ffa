"""Devices as data, and what they make of a network: whether it fits, and how long its layers take at least."""
