"""The contract between the commands that write a run folder and the report that reads it: fakes are like the real."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from helpers.report_fakes import fake_run
from PIL import Image

from xaae.experiment.kinds import PICTURE
from xaae.experiment.vocabulary import COLUMNS
from xaae.report.run.run_page import render_run
from xaae.report.run.summary import gather_summary
from xaae.report.shared.run_files import RunFiles
from xaae.sources.items import open_items

OPEN = {  # objects keyed by names of data
    "directions", "by_direction", "naming", "probe_r2", "probe_balanced_accuracy", "data", "by_class", "swing_of",
    "items_by_class", "left_out",
}  # fmt: skip
ONLY_WITH_BROKEN_ITEMS = {"skipped.csv"}


class Recorded(RunFiles):
    """A run folder that remembers which of its files were read."""

    def __init__(self, path):
        self.read = set()
        super().__init__(path)

    def _note(self, name):
        if (self.path / name).is_file():
            self.read.add(name)

    def json(self, name):
        self._note(name)
        return super().json(name)

    def table(self, name):
        self._note(name)
        return super().table(name)

    def arrays(self, name, *needed):
        self._note(name)
        return super().arrays(name, *needed)


@pytest.fixture(scope="module")
def both(toy_run, tmp_path_factory):
    """(a run folder that the commands wrote, a made-up one), each with the files that its report read."""
    runs = [Recorded(toy_run), Recorded(fake_run(tmp_path_factory.mktemp("fake") / "run"))]
    for run in runs:
        render_run(run, gather_summary(run))
    return runs


def plain_name(name):
    """A file's name with its direction left open."""
    return re.sub(r"^walks/(?!random)[^/]*\.npz$", "walks/DIRECTION.npz", name)


def paired(both, ending):
    """(name, real file, made-up file) of all files that end so and that the report reads."""
    files = [{plain_name(n): run.path / n for n in sorted(run.read) if n.endswith(ending)} for run in both]
    return [(name, files[0][name], files[1][name]) for name in files[0]]


def test_the_report_reads_the_same_files_of_both(both):
    real, fake = ({plain_name(name) for name in run.read} for run in both)
    assert fake - ONLY_WITH_BROKEN_ITEMS == real and len(real) > 12
    assert all(list((run.path / "samples").glob("epoch_*.png")) for run in both)


def shape_of(value, key=""):
    """What a JSON value is made of: objects by key, lists by their first element, and the kinds of single values."""
    if isinstance(value, dict):
        if key in OPEN:
            return {"any name": _joined([shape_of(each) for each in value.values()])}
        return {name: shape_of(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [_joined([shape_of(each) for each in value])] if value else []
    return {bool: "bool", int: "number", float: "number", str: "text", type(None): "none"}[type(value)]


def _joined(shapes):
    """One shape for several values of the same kind: an object has the keys of all."""
    if objects := [shape for shape in shapes if isinstance(shape, dict)]:
        shapes, keys = objects, dict.fromkeys(key for shape in objects for key in shape)
        return {key: _joined([shape[key] for shape in shapes if key in shape]) for key in keys}
    known = [shape for shape in shapes if shape not in ("none", [])]
    return known[0] if known else "none"


def differences(real, fake, at=""):
    """Where two shapes differ, in words; "none" and an empty list go with everything."""
    if "none" in (real, fake) or [] in (real, fake):
        return []
    if isinstance(real, dict) and isinstance(fake, dict):
        keys = [f"{at}.{key} is only in the {'real' if key in real else 'made-up'} one" for key in real.keys() ^ fake]
        return keys + [d for key in real.keys() & fake for d in differences(real[key], fake[key], f"{at}.{key}")]
    if isinstance(real, list) and isinstance(fake, list):
        return differences(real[0], fake[0], f"{at}[]")
    return [] if real == fake else [f"{at}: {real} and {fake}"]


def test_objects_have_the_same_keys_and_kinds_of_values(both):
    pairs = [pair for pair in paired(both, ".json") if pair[0] != "config.json"]
    assert {name for name, _, _ in pairs} == {"train.json", "navigate.json", "explain.json", "scan.json"}
    for name, *files in pairs:
        shapes = [shape_of(json.loads(file.read_text())) for file in files]
        assert differences(*shapes, name) == []


def test_the_settings_are_those_of_a_run(both):
    real, fake = (run.config for run in both)
    assert set(fake) <= set(real)
    assert all(type(fake[key]) is type(real[key]) for key in fake if None not in (fake[key], real[key]))


def test_tables_have_the_same_columns_and_kinds_of_columns(both):
    for name, *files in paired(both, ".csv"):
        real, fake = (pd.read_csv(file, keep_default_na=False, na_values=[""]) for file in files)
        shared = list(COLUMNS) if name == "items.csv" else list(real)  # a data set may have further columns
        assert list(fake)[: len(shared)] == shared == list(real)[: len(shared)], name
        assert name == "items.csv" or len(fake.columns) == len(shared), name
        known = [column for column in shared if real[column].notna().any() and fake[column].notna().any()]
        kinds = [{column: pd.api.types.is_numeric_dtype(table[column]) for column in known} for table in (real, fake)]
        assert kinds[0] == kinds[1], name


def array_kinds(file):
    """{name: (kind and size of its numbers, dimensions)}; meters by any name, texts of any length."""
    with np.load(file, allow_pickle=False) as arrays:
        kinds = {name: (a.dtype.kind if a.dtype.kind == "U" else a.dtype.str, a.ndim) for name, a in arrays.items()}
    kinds = {re.sub(r"^(meter|change)\..*", r"\1.ANY", name): kind for name, kind in kinds.items()}
    return {re.sub(r"^\w+(\.(frames|aae|baseline))$", r"ANY\1", name): kind for name, kind in kinds.items()}


def test_arrays_have_the_same_names_numbers_and_dimensions(both):
    pairs = paired(both, ".npz")
    assert len(pairs) >= 8
    for name, real, fake in pairs:
        assert array_kinds(fake) == array_kinds(real), name


def test_the_list_of_skipped_items_has_the_columns_that_reading_gives(tmp_path):
    Image.new("RGB", (20, 20)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_text("no picture")
    paths = [str(tmp_path / name) for name in ("good.png", "bad.png")]
    _, _, skipped = open_items(PICTURE, pd.DataFrame({"path": paths, "label": "a"}), 16, 3, most_bad=0.9, quiet=True)
    fake = pd.read_csv(fake_run(tmp_path / "run") / "skipped.csv")
    assert list(skipped) == list(fake) and len(skipped) == 1
