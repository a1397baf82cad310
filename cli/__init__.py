"""The command line: one file a command. Nothing here that a notebook could not call elsewhere."""
