"""What makes data unfit is told before training, in one sentence; where nothing can be learned it is refused."""

import numpy as np
import pandas as pd
import pytest
from helpers.command_line import TINY, refused
from PIL import Image

from xaae.sources.item_faults import find_faults
from xaae.sources.items import ArrayItems

RNG = np.random.default_rng(0)


def noise(n, size=16):
    """n pictures (n, 3, size, size) that differ."""
    return RNG.random((n, 3, size, size))


def faults_of(values, labels, split=None):
    """The Faults of items (N, C, H, W) in [0, 1] without files."""
    paths = [f"{label}/{i}.png" for i, label in enumerate(labels)]
    table = pd.DataFrame({"path": paths, "label": labels, "split": split or ["train"] * len(labels)})
    return find_faults(table, ArrayItems(values))


LABELS = ["a"] * 4 + ["b"] * 4
FLAT = np.broadcast_to(np.linspace(0, 1, 8)[:, None, None, None], (8, 3, 16, 16))


def test_ordinary_items_have_no_fault():
    assert faults_of(noise(8), LABELS) == []
    assert faults_of(noise(8), LABELS, ["train", "valid"] * 4) == []


@pytest.mark.parametrize(
    ("values", "words", "fatal"),
    [
        (np.zeros((8, 3, 16, 16)), "one colour throughout, and the same one", True),
        (np.repeat(noise(1), 8, 0), "identical", True),
        (FLAT, "Each of the 8 pictures is of one colour", False),
        (np.concatenate([noise(6), FLAT[2:4]]), "2 of 8 pictures are of one colour throughout, as b/6.png", False),
        (np.concatenate([np.repeat(noise(1), 4, 0), noise(4)]), "All 4 pictures of class a are identical", False),
        (np.concatenate([np.repeat(noise(1), 4, 0), np.repeat(noise(1), 4, 0)]), "of class b are identical", False),
        (np.tile(noise(4), (2, 1, 1, 1)), "nothing tells the classes apart", True),
        (np.concatenate([noise(4), noise(3), np.zeros((1, 3, 16, 16))]), "1 of 8 pictures", False),
        (0.02 * noise(8), "little can be seen", False),
    ],
)
def test_each_fault_is_said_and_is_fatal_only_where_nothing_can_be_learned(values, words, fatal):
    found = faults_of(values, LABELS)
    assert [words in fault.sentence for fault in found].count(True) == 1, found
    assert any(fault.fatal for fault in found) == fatal


def test_one_item_under_two_labels_and_one_in_both_splits():
    values = noise(8)
    values[5] = values[1]
    said = " ".join(fault.sentence for fault in faults_of(values, LABELS, ["train"] * 4 + ["valid"] * 4))
    assert "2 of 8 pictures lie under several labels, as a/1.png and b/5.png" in said
    assert "1 of 4 held-out pictures are identical to some that are trained on, as b/5.png" in said


# ---- from the door ----------------------------------------------------------------------------------------------


def save(folder, draw, n=12):
    """Two classes of n pictures, draw(class, number) -> uint8 (H, W)."""
    for k, name in enumerate(("left", "right")):
        (folder / name).mkdir(parents=True)
        for i in range(n):
            image = Image.fromarray(draw(k, i).astype(np.uint8))
            image.save(folder / name / f"{i:03}.png", optimize=bool((i + k) % 2), compress_level=i % 9)
    return folder


CASES = {
    "masks": (lambda k, i: RNG.integers(0, 3, (40, 40)), "values 0, 1, 2 and no others", 0),
    "two tones": (lambda k, i: 255 * RNG.integers(0, 2, (40, 40)), "values 0, 255 and no others", 0),
    "flat": (lambda k, i: np.full((40, 40), 10 * i + 5 * k), "is of one colour throughout", 0),
    "one class the same": (lambda k, i: RNG.integers(0, 255, (40, 40)) if k else np.pad(np.full((20, 20 + i), 9), 20)
                           [:40, :40], "of class left are identical", 0),
    "all black but for the size": (lambda k, i: np.zeros((40 + i, 40 + 20 * k + i)), "nothing can be learned", 2),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_degenerate_folders_are_told_before_anything_is_trained(door, tmp_path, case):
    draw, words, status = CASES[case]
    folder = save(tmp_path / "pictures", draw)
    result = door("train", *TINY, "--dataset", folder, "--out", tmp_path / "run", "--dry-run")
    assert result.exit_code == status, result.output
    assert words in result.output + result.stderr
    assert status == 0 or refused(result, words)
    assert not (tmp_path / "run").exists()
