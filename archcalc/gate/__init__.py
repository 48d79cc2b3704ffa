"""Budgets, where they are written, and the verdict on a report by them."""
