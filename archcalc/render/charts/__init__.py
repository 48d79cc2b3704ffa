"""Figures as pictures: bars, scatter plots, and the graph as boxes and edges."""
