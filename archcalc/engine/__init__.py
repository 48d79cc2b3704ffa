"""Graph → Report: what every layer gives, computes, holds and sees, and the figures that follow. Knows no text."""
