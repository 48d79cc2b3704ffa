"""Specs as git has them: the commits of a repository, the files in them, and what changed between two."""
