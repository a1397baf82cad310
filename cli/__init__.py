"""The command line: one file a command, with its options, its words and what it calls.

A command holds nothing that a notebook could not call elsewhere. Files here import click and the settings only; what
needs PyTorch is imported inside the command's function, so that `python main.py --help` answers at once.
"""
