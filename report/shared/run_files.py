"""The files of a run as its page reads them: JSON objects, tables and arrays, each of which may be missing."""

from functools import cached_property

import numpy as np
import pandas as pd

from xaae.experiment.errors import InputError
from xaae.experiment.kinds import KINDS, PICTURE, Kind
from xaae.experiment.run_folder import open_run, plain_values, read_arrays, read_items, read_json
from xaae.experiment.tasks import SEVERITY, Target, target_of
from xaae.report.shared.quantity import Quantity, meter_quantity, planted_quantity
from xaae.report.shared.sprites import PAINTERS, Painter
from xaae.report.shared.words import numbered

NOT_NUMBERS = ["", "nan", "NaN", "inf", "-inf"]  # cells of a column of numbers that hold none
NAMES = ("label", "model", "stage")  # columns of texts: a class may be called "nan" or "01"


class RunFiles:
    """A run folder as files. What no command has written yet is {} (`json`) or None (`table`, `arrays`).

    InputError when the folder holds no config.json.
    """

    def __init__(self, path):
        self.path, config = open_run(path, needs="config.json")
        self.config = plain_values(config)

    def json(self, name: str) -> dict:
        """The object in the JSON file `name`, None for NaN; {} if there is no such file. InputError if it is broken."""
        file = self.path / name
        content = plain_values(read_json(file)) if file.is_file() else {}
        return content if isinstance(content, dict) else {}

    def table(self, name: str) -> pd.DataFrame | None:
        """The rows of a CSV file; None if it is missing or empty. InputError if it is broken."""
        file = self.path / name
        if not file.is_file() or not file.stat().st_size:
            return None
        as_they_stand = dict.fromkeys(NAMES, str)
        try:
            rows = pd.read_csv(file, keep_default_na=False, na_values=NOT_NUMBERS, converters=as_they_stand)
        except ValueError as error:
            raise InputError(f"{file} cannot be read ({error}): run the command that made it again.") from error
        return rows if len(rows) else None

    def arrays(self, name: str, *needed: str) -> dict | None:
        """The arrays of an NPZ file; None if it, or one of the `needed` arrays, is missing. InputError if broken."""
        file = self.path / name
        arrays = read_arrays(file) if file.is_file() else None
        return arrays if arrays is not None and all(k in arrays and arrays[k].size for k in needed) else None

    @property
    def kind(self) -> Kind:
        """The kind of this run's items; pictures where the settings name none."""
        return KINDS[self.config.get("kind") or PICTURE.name]

    @cached_property
    def painter(self) -> Painter:
        """How the items of this run become pictures. InputError for a kind of items that the page cannot draw yet."""
        if self.kind.name not in PAINTERS:
            raise InputError(f"The report cannot draw {self.kind.plural} yet: give a run of {PICTURE.plural}.")
        return PAINTERS[self.kind.name](self.config)

    @property
    def classes(self) -> list[str]:
        """Class names in the order of every probability column."""
        return [str(name) for name in self.config.get("classes") or []]

    @property
    def target(self) -> Target:
        """What is predicted."""
        return target_of(self.config)

    @property
    def class_index(self) -> dict[str, int]:
        """Class name -> its number, which decides its colour everywhere."""
        return {name: i for i, name in enumerate(self.classes)}

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Planted values of each class, (low, high), in the factor's unit."""
        ranges = self.config.get("ranges") or {}
        return {str(name): (float(pair[0]), float(pair[1])) for name, pair in ranges.items() if pair}

    @property
    def planted(self) -> Quantity:
        """The planted factor's quantity."""
        return planted_quantity(self.config.get("factor_about"))

    @cached_property
    def measured(self) -> Quantity:
        """The quantity that the planted factor's meter reads."""
        return meter_quantity(self.meter_name, (self.json("navigate.json").get("planted") or {}).get("unit"))

    @property
    def meter_name(self) -> str:
        """The name of the planted factor's meter."""
        return (self.config.get("factor_about") or {}).get("meter") or "rotation"

    @cached_property
    def items(self) -> pd.DataFrame | None:
        """The table of items; None before `train`."""
        return read_items(self.path) if (self.path / "items.csv").is_file() else None

    def cell(self, row: int, column: str, default=None):
        """One cell of items.csv, or `default` when there is none."""
        if self.items is None or column not in self.items or not 0 <= row < len(self.items):
            return default
        return plain_values(self.items[column].iloc[int(row)])

    def item_name(self, row: int) -> str:
        """Class, or severity, and planted value of one row of items.csv: "cat, 41°"; "" if there is no such row."""
        label, value = self.cell(row, "label"), self.cell(row, "value")
        if self.target.task == SEVERITY.name and (number := self.cell(row, self.target.columns[0])) is not None:
            label = f"{self.target.noun} {number:.3g}"
        shown = isinstance(value, (int, float)) and self.config.get("arm") != "normal"
        return "" if label is None else f"{label}, {self.planted.short(value)}" if shown else str(label)

    def labels(self, rows) -> np.ndarray:
        """The class names of rows of items.csv: (M,) str."""
        return np.array([str(self.cell(row, "label")) for row in rows])

    def class_numbers(self, rows) -> np.ndarray:
        """The class numbers of rows of items.csv: (M,) int, K for a class that the run does not know."""
        return np.array([self.class_index.get(name, len(self.classes)) for name in self.labels(rows)])

    def walk_names(self, first: str = "lda") -> list[str]:
        """Names of the walks there are: `first`, then in the order of navigate.json, then by name and number."""
        stored = {file.stem for file in (self.path / "walks").glob("*.npz")} - {"random"}
        order = [first, *(self.json("navigate.json").get("directions") or {})]
        return list(dict.fromkeys([n for n in order if n in stored] + sorted(stored, key=_by_number)))

    def walk(self, name: str) -> dict | None:
        """The arrays of one walk; None if incomplete."""
        return self.arrays(f"walks/{name}.npz", "frames", "alpha", "probability")

    def random_changes(self) -> np.ndarray:
        """How far each random direction changes the planted factor's reading: (R,) >= 0, unread ones left out."""
        name = f"change.{self.meter_name}"
        random = self.arrays("walks/random.npz", name)
        return np.empty(0) if random is None else np.abs(random[name][np.isfinite(random[name])])


def _by_number(name: str) -> tuple[str, int]:
    """The key that sorts "dim_7" before "dim_11"."""
    kind, number = numbered(name)
    return kind, int(number or 0)
