"""Attribution methods by family."""
