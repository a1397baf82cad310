"""What an experiment consists of: its settings, its run folder, its seeds, its errors, its machine."""
