"""Checks a finished output against its input, row by row."""
