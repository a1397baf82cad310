"""Where items come from: named datasets and readers of file formats."""
