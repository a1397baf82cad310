"""What trained models answer (`predict`), and how good their answers are (`evaluate`).

Files whose names end in `_run` carry out a command on a run folder; all others take arrays.
"""
