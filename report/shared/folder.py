"""Reading a run folder: JSON, tables and arrays, each of which may be missing."""

import json
import math
import zipfile
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from xaae.report.shared.quantity import Quantity, meter_quantity, planted_quantity
from xaae.report.shared.words import numbered

ORDER = ("lda", "logistic", "head", "means", "severity", "gradient")  # in which directions are offered; then by name


def clean(value):
    """The same nested value with numpy scalars made plain and every NaN or infinity made None."""
    if isinstance(value, dict):
        return {str(key): clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [clean(item) for item in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _counted(name: str) -> tuple[str, int]:
    """What sorts "dim_7" before "dim_11"."""
    kind, number = numbered(name)
    return kind, int(number or 0)


class RunFolder:
    """A run folder as files: `json`, `table` and `arrays` answer {} or None for what was not made yet.

    Raises ValueError when the folder holds no config.json.
    """

    def __init__(self, path):
        self.path = Path(path)
        if not (self.path / "config.json").is_file():
            raise ValueError(
                f"{path} is not a run folder: it holds no config.json. Give a folder that `python main.py train` made."
            )
        self.config = self.json("config.json")

    def json(self, name: str) -> dict:
        """The object in file `name`, without NaN; {} if there is no such file."""
        file = self.path / name
        if not file.is_file():
            return {}
        try:
            content = clean(json.loads(file.read_text(encoding="utf-8")))
        except ValueError as error:
            raise ValueError(f"{file} is no valid JSON ({error}). Run the command that makes it again.") from error
        return content if isinstance(content, dict) else {}

    def table(self, name: str) -> pd.DataFrame | None:
        """The rows of a CSV file; None if it is missing or empty. Labels such as "None" stay text."""
        file = self.path / name
        if not file.is_file() or not file.stat().st_size:
            return None
        try:
            rows = pd.read_csv(file, keep_default_na=False, na_values=["", "nan", "NaN", "inf", "-inf"])
        except ValueError as error:
            raise ValueError(f"{file} is no valid table ({error}). Run the command that makes it again.") from error
        return rows if len(rows) else None

    def arrays(self, name: str, *needed: str) -> dict | None:
        """The arrays of an NPZ file; None if the file or one of the `needed` arrays is missing."""
        file = self.path / name
        if not file.is_file():
            return None
        try:
            with np.load(file, allow_pickle=False) as archive:
                found = {key: archive[key] for key in archive.files}
        except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{file} cannot be read ({error}). Run the command that makes it again.") from error
        return found if all(key in found and found[key].size for key in needed) else None

    @property
    def classes(self) -> list[str]:
        """Class names in the order of every probability column."""
        return [str(name) for name in self.config.get("classes") or []]

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Planted values per class, (low, high), in the factor's unit."""
        ranges = self.config.get("ranges") or {}
        return {str(name): (float(pair[0]), float(pair[1])) for name, pair in ranges.items() if pair}

    @property
    def planted(self) -> Quantity:
        """What is planted, and how its values are told."""
        return planted_quantity(self.config.get("factor_about"))

    @cached_property
    def meter(self) -> Quantity:
        """What the planted factor's meter reads, and how its readings are told."""
        return meter_quantity(self.meter_name, (self.json("navigate.json").get("planted") or {}).get("unit"))

    @property
    def meter_name(self) -> str:
        """The name of the planted factor's meter."""
        return (self.config.get("factor_about") or {}).get("meter") or "rotation"

    @cached_property
    def items(self) -> pd.DataFrame | None:
        """The table of items; None before `train`."""
        return self.table("items.csv")

    def item(self, row: int, column: str, default=None):
        """One cell of items.csv, or `default` when there is none."""
        if self.items is None or column not in self.items or not 0 <= row < len(self.items):
            return default
        return clean(self.items[column].iloc[int(row)])

    def directions(self, first: str = "lda") -> list[str]:
        """Names of the walks there are, `first` in front."""
        found = {file.stem for file in (self.path / "walks").glob("*.npz")} - {"random"}
        known = [name for name in (first, *ORDER) if name in found]
        return list(dict.fromkeys(known + sorted(found, key=_counted)))

    def walk(self, name: str) -> dict | None:
        """The arrays of one walk; None if incomplete."""
        return self.arrays(f"walks/{name}.npz", "frames", "alpha", "probability")

    def names(self, rows) -> np.ndarray:
        """The class of each of some rows of items.csv, (M,) str."""
        return np.array([str(self.item(row, "label")) for row in rows])
