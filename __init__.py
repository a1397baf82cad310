"""xAAE: see what your classifier really learned.

`python main.py` in a clone; from anywhere `from xaae.explain import explain`, `xaae.latent_nav`, `xaae.model`.
"""
