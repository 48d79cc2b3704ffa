"""Finished cells and reports in the formats of others: JSON, CSV, Markdown, LaTeX, SARIF, JUnit."""
