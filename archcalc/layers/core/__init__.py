"""What all kinds of layers share: fields and rules, shapes and axes, windows, memory, and twins as data."""
