"""Text → Architecture → Graph: the spec language, and the catalogue of shipped specs."""
