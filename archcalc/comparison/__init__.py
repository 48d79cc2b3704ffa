"""Reports side by side: groups and stages, totals with their ratios, and what changed from one to the next."""
