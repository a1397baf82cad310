"""Explanations of any classifier."""
