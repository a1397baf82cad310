"""xAAE: see what your classifier really learned. `python main.py` in a clone, `from xaae.explain import explain` anywhere."""
