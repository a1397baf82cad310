"""What is kept for data is found wherever they lie, and never for other data: arms of an audit, trained meters."""

import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from helpers.pictures import save_pictures
from PIL import Image

from xaae.audit.arm_training import point_to_items
from xaae.audit.audit_plan import plan_audit
from xaae.experiment import run_folder
from xaae.experiment.audit_settings import audit_settings
from xaae.experiment.errors import InputError
from xaae.factors import rotation_network
from xaae.latent_nav import encoded_run
from xaae.sources.fingerprints import fingerprint
from xaae.sources.items import ArrayItems
from xaae.sources.picture_files import open_pictures

SIZE = 16


# ---- fingerprints -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 20), (1, 6, 5), (3, 8, 8), (1, 4, 4, 4)])
def test_one_value_or_text_that_differs_gives_another_fingerprint(shape):
    values = np.random.default_rng(0).random((300, *shape), np.float32)
    rows, labels = np.arange(300), np.array(["a", "b", "c"] * 100)
    same = fingerprint(ArrayItems(values), rows, labels)
    assert same == fingerprint(ArrayItems(values.copy()), rows, list(labels))
    other = values.copy()
    other[299].flat[-1] += 1e-3
    relabelled = np.where(np.arange(300) == 299, "a", labels)
    different = [
        fingerprint(ArrayItems(other), rows, labels),
        fingerprint(ArrayItems(values), rows, relabelled),
        fingerprint(ArrayItems(values), rows[::-1].copy(), labels),
        fingerprint(ArrayItems(values), rows[:-1], labels[:-1]),
        fingerprint(ArrayItems(values), rows, labels, labels),
        fingerprint(ArrayItems(values), rows),
    ]
    assert len({same, *different}) == 1 + len(different)


# ---- arms -------------------------------------------------------------------------------------------------------


def arm_keys(root, tmp_path, **more):
    """The names of the folders of the arms that an audit of the pictures under `root` would train."""
    settings = audit_settings(
        preset="smoke", dataset=str(root), items=None, size=SIZE, probe=4, baseline_epochs=0, seeds=2, workers=1, **more
    )
    audit = plan_audit(settings, tmp_path / "out")
    return [folder.name for folder in audit.arms_by_folder]


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """A folder of two classes of pictures; the working directory is a scratch one."""
    monkeypatch.chdir(tmp_path)
    return save_pictures(tmp_path / "here" / "pictures", n=14)


def test_a_folder_that_was_moved_keeps_its_arms(pictures, tmp_path):
    before = arm_keys(pictures, tmp_path)
    assert len(set(before)) == 6
    (tmp_path / "far away").mkdir()
    moved = shutil.move(pictures, tmp_path / "far away" / "renamed")
    assert arm_keys(moved, tmp_path) == before
    for path in moved.rglob("*.png"):
        path.touch()
    assert arm_keys(moved, tmp_path) == before


def repaint(folder):
    """Another picture under the name of an old one, of the same length in bytes or not."""
    path = folder / "left" / "003.png"
    pixels = np.array(Image.open(path))
    pixels[4:12, 4:12] = 255 - pixels[4:12, 4:12]
    Image.fromarray(pixels).save(path)


def exchange(folder):
    """Two pictures that change their classes."""
    a, b = folder / "left" / "003.png", folder / "right" / "003.png"
    content = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(content)


def rename(folder):
    """A class of another name."""
    (folder / "right").rename(folder / "rights")


@pytest.mark.parametrize("change", [repaint, exchange, rename, lambda f: (f / "left" / "003.png").unlink()])
def test_other_data_under_the_old_names_have_arms_of_their_own(pictures, tmp_path, change):
    before = arm_keys(pictures, tmp_path)
    change(pictures)
    after = arm_keys(pictures, tmp_path)
    assert len(after) == len(before) and not set(after) & set(before)


def test_an_arm_finds_its_items_where_they_are_now(tmp_path):
    table = pd.DataFrame({"path": ["/old/NA/a.png", "/old/NA/b.png"], "label": ["NA", "$x$"], "split": "train"})
    table = table.assign(group="", factor="tag", value=[0.5, 1.0])
    table.to_csv(tmp_path / "items.csv", index=False)
    point_to_items(tmp_path, table.path)
    untouched = (tmp_path / "items.csv").stat().st_mtime_ns
    point_to_items(tmp_path, table.path)
    assert (tmp_path / "items.csv").stat().st_mtime_ns == untouched
    point_to_items(tmp_path, pd.Series(["/new/NA/a.png", "/new/NA/b.png"]))
    found = run_folder.read_items(tmp_path)
    assert list(found.path) == ["/new/NA/a.png", "/new/NA/b.png"] and list(found.label) == ["NA", "$x$"]
    assert list(found.value) == [0.5, 1.0] and [p.name for p in tmp_path.iterdir()] == ["items.csv"]


def test_the_probe_needs_enough_items_of_the_two_classes_that_are_compared(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = save_pictures(tmp_path / "pictures", ("ant", "bee", "cat"), n=10)
    settings = audit_settings(preset="smoke", dataset=str(root), items=None, size=SIZE, probe=5, baseline_epochs=0)
    with pytest.raises(InputError, match="Only 4 items of ant or cat are held out, --probe asks for 5"):
        plan_audit(settings, tmp_path / "out")


# ---- the rotation network ---------------------------------------------------------------------------------------


def test_the_rotation_network_is_kept_for_pictures_not_for_names(pictures, tmp_path, monkeypatch):
    keys = []
    monkeypatch.setattr(rotation_network, "cached", lambda folder, key, make: keys.append(key))
    monkeypatch.setattr(rotation_network, "error", lambda *args: np.inf)

    def key_of(root):
        paths = sorted(map(str, root.rglob("*.png")))
        table = pd.DataFrame({"path": paths, "label": [p.split("/")[-2] for p in paths], "split": "train"})
        table, items, _ = open_pictures(table, SIZE, 3, quiet=True)
        rows = lambda split: np.flatnonzero(table.split == split)  # noqa: E731
        trained = SimpleNamespace(items=items, table=table, rows=rows, upright=lambda rows: items[rows])
        trained.config = SimpleNamespace(data_root=None)
        assert encoded_run._rotation_network(trained) == {}
        return keys[-1]

    before = key_of(pictures)
    moved = shutil.move(pictures, tmp_path / "elsewhere")
    assert key_of(moved) == before
    repaint(moved)
    assert key_of(moved) != before
