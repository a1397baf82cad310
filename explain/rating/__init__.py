"""How good explanations are."""
