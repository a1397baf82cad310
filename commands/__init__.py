"""One file a command: read the run folder, call the rooms, write the run folder. None calls another's insides."""
