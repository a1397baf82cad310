"""Laws of the embedded dataset."""

import errno
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from helpers.at_once import Gate, begin, returned

from xaae.experiment.errors import InputError
from xaae.sources import synthpets

LUMA = np.array([0.299, 0.587, 0.114]) / 255


@pytest.fixture(scope="module")
def drawn():
    return synthpets.draw_pictures(300, 64)


@pytest.fixture(scope="module")
def table():
    return synthpets.draw_factors(1000)


def test_pictures_and_table_have_the_promised_shape(drawn):
    images, table = drawn
    assert images.shape == (300, 64, 64, 3) and images.dtype == np.uint8 and len(table) == 300
    pd.testing.assert_frame_equal(table, synthpets.draw_factors(300))


def test_same_seed_same_pictures_and_other_seed_others():
    images, table = synthpets.draw_pictures(8, 32, seed=3)
    again, table_again = synthpets.draw_pictures(8, 32, seed=3)
    assert np.array_equal(images, again) and table.equals(table_again)
    assert not np.array_equal(images, synthpets.draw_pictures(8, 32, seed=4)[0])


def test_first_pictures_do_not_depend_on_n():
    few, many = synthpets.draw_pictures(10, 32), synthpets.draw_pictures(20, 32)
    assert np.array_equal(few[0], many[0][:10]) and few[1].equals(many[1][:10])


def test_a_row_read_from_csv_draws_the_same_picture(tmp_path, drawn):
    drawn[1].to_csv(tmp_path / "table.csv", index=False)
    row = pd.read_csv(tmp_path / "table.csv").to_dict("records")[7]
    assert np.array_equal(synthpets.draw_picture(row, 64), drawn[0][7])


@pytest.mark.parametrize("size", [16, 31, 100, 256, 512])
def test_every_size_can_be_drawn(size):
    assert synthpets.draw_pictures(2, size)[0].shape == (2, size, size, 3)


def test_the_scene_does_not_depend_on_the_size():
    small, large = synthpets.draw_pictures(16, 64)[0] / 255, synthpets.draw_pictures(16, 128)[0] / 255
    halved = np.stack([cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA) for image in large])
    assert np.abs(small - halved).mean() < 0.02
    assert np.sqrt(((small - halved) ** 2).mean()) < 0.04


@pytest.mark.parametrize("column", [*synthpets.RANGES, "label", "group", "pattern"])
def test_every_factor_varies(table, column):
    assert table[column].nunique() >= (len(table) if column in synthpets.RANGES else 2)


@pytest.mark.parametrize("column", synthpets.RANGES)
def test_factors_do_not_tell_the_species(table, column):
    cats, dogs = (table.loc[table.label == label, column] for label in ("cat", "dog"))
    assert abs(cats.mean() - dogs.mean()) < 0.2 * table[column].std()
    assert 0.85 < cats.std() / dogs.std() < 1.18


def test_labels_are_balanced_and_groups_belong_to_one_label(table):
    assert set(table.label.value_counts()) == {500}
    assert (table.groupby("group").label.nunique() == 1).all()
    assert (table.groupby("label").group.nunique() == 8).all()
    assert (pd.crosstab(table.pattern, table.label).diff(axis=1)["dog"].abs() <= 4).all()


def test_the_sky_is_brighter_than_the_ground(drawn):
    images, table = drawn
    rows = images.mean(2) @ LUMA
    split = np.arange(64) + 0.5 < 64 * table.horizon.to_numpy()[:, None]
    sky, ground = (rows * split).sum(1) / split.sum(1), (rows * ~split).sum(1) / (~split).sum(1)
    assert (sky > ground + 0.05).mean() >= 0.99
    gap, cat = sky - ground, (table.label == "cat").to_numpy()
    assert abs(gap[cat].mean() - gap[~cat].mean()) < 0.03


def test_up_is_visible_at_16_pixels():
    rows = synthpets.draw_pictures(200, 16)[0].mean(2) @ LUMA
    assert (rows[:, :8].mean(1) > rows[:, 8:].mean(1) + 0.05).mean() >= 0.99


def test_build_writes_what_draw_draws(tmp_path):
    table = synthpets.build_synthpets(tmp_path / "deep" / "pets", 6, 32, seed=2)
    images, factors = synthpets.draw_pictures(6, 32, seed=2)
    read = [cv2.imread(str(tmp_path / "deep" / "pets" / path))[..., ::-1] for path in table.path]
    assert np.array_equal(read, images) and list(table.path[:2]) == ["images/00000.png", "images/00001.png"]
    pd.testing.assert_frame_equal(table.drop(columns="path"), factors)
    settings = json.loads((tmp_path / "deep" / "pets" / "settings.json").read_text())
    assert (settings["n"], settings["size"], settings["seed"]) == (6, 32, 2)
    assert os.listdir(tmp_path / "deep") == ["pets"]


def test_build_draws_once_for_the_same_settings(tmp_path, monkeypatch):
    table = synthpets.build_synthpets(tmp_path / "pets", 4, 16)
    (tmp_path / "pets" / "notes.txt").write_text("mine")
    monkeypatch.setattr(synthpets, "draw_picture", None)
    pd.testing.assert_frame_equal(synthpets.build_synthpets(tmp_path / "pets", 4, 16), table)


def test_build_replaces_synthpets_of_other_settings(tmp_path):
    synthpets.build_synthpets(tmp_path / "pets", 6, 16)
    assert len(synthpets.build_synthpets(tmp_path / "pets", 4, 16)) == 4
    assert len(os.listdir(tmp_path / "pets" / "images")) == 4


def test_a_build_that_fails_leaves_everything_as_it_was(tmp_path, monkeypatch):
    table = synthpets.build_synthpets(tmp_path / "pets", 4, 16)
    with monkeypatch.context() as patch, pytest.raises(TypeError):
        patch.setattr(synthpets, "draw_picture", None)
        synthpets.build_synthpets(tmp_path / "pets", 6, 16)
    assert os.listdir(tmp_path) == ["pets"]
    pd.testing.assert_frame_equal(synthpets.build_synthpets(tmp_path / "pets", 4, 16), table)


def test_build_never_replaces_the_files_of_others(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="new or empty folder"):
        synthpets.build_synthpets(tmp_path, 4, 16)
    synthpets.build_synthpets(tmp_path / "pets", 4, 16)
    (tmp_path / "pets" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="new or empty folder"):
        synthpets.build_synthpets(tmp_path / "pets", 6, 16)


def build_here(n, size):
    return synthpets.build_synthpets("never-made", n, size)


@pytest.mark.parametrize("make", [synthpets.draw_pictures, build_here])
@pytest.mark.parametrize(("n", "size", "cure"), [(1, 64, "ask for 2"), (4, 8, "from 16 to"), (4, 513, "from 16 to")])
def test_bad_arguments_name_the_cure(make, n, size, cure, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=cure):
        make(n, size)
    assert not os.listdir(tmp_path)


def build_after(folder, gate):
    """Build in a process of its own: (pictures in the folder, those that it drew)."""
    draw, count = synthpets.draw_picture, []
    synthpets.draw_picture = lambda *args: count.append(1) or draw(*args)
    gate.wait()
    return len(synthpets.build_synthpets(folder, 6, 16)), len(count)


def test_processes_that_build_at_once_draw_once_and_read_the_same(warm, tmp_path):
    gate, home = Gate(tmp_path / "gate"), tmp_path / "home"
    home.mkdir()
    processes = [begin(warm, build_after, home / "pets", gate) for _ in range(4)]
    gate.wait_for(4)
    gate.open()
    found = sorted(map(returned, processes))
    assert found == [[6, 0], [6, 0], [6, 0], [6, 6]] and os.listdir(home) == ["pets"]


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left on device.*choose another --data-root"):
        synthpets.synthpets(tmp_path, items=4, size=32)
    assert not os.listdir(tmp_path)
