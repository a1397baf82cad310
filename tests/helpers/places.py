"""Where things are: the clone, and the real data beside it."""

from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
REAL = HOME.parent / "shared" / "data"
