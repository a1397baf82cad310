"""Laws of the masks of Oxford-IIIT Pets: they say where the animal is, also where the picture is rotated."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest
import torch
from helpers.waiting import GENEROUS
from PIL import Image

from xaae.experiment.vocabulary import FILLS
from xaae.factors.bias import Bias
from xaae.sources import oxford_pets
from xaae.sources.picture_files import decode_picture


@pytest.fixture
def drawn_pets(tmp_path):
    """Two pictures that are white where the animal is, one with a trimap: the corner of a wide picture, outlined."""
    kinds = np.full((60, 90), 2, np.uint8)
    kinds[10:40, 20:60] = 3
    kinds[12:38, 22:58] = 1
    for folder in ("images", "annotations/trimaps"):
        (tmp_path / folder).mkdir(parents=True)
    paths = [str(tmp_path / "images" / f"{name}.png") for name in ("Cat_1", "dog_1")]
    for path in paths:
        Image.fromarray(np.uint8(255) * (kinds != 2)).save(path)
    Image.fromarray(kinds).save(tmp_path / "annotations" / "trimaps" / "Cat_1.png")
    return paths


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("angle", [0.0, 35.0, 90.0, 170.0])
def test_a_mask_moves_with_its_picture(drawn_pets, angle, fill):
    turned = Bias({"cat": (0, 90), "dog": (90, 180)}, fill=fill)
    found, has = oxford_pets.animal_masks(drawn_pets, 32, [angle] * 2, turned)
    x = torch.stack([decode_picture(path, 32, 1) for path in drawn_pets]).float() / 255
    shown = turned.plant(x, torch.tensor([angle] * 2)) >= 0.5
    assert found.shape == (2, 1, 32, 32) and found.dtype == torch.bool and has.tolist() == [True, False]
    assert (found[0] == shown[0]).float().mean() > 0.995 and not found[1].any() and found[0].any()


def test_only_a_rotation_moves_a_mask_and_the_outline_is_a_choice(drawn_pets):
    upright, _ = oxford_pets.animal_masks(drawn_pets, 32)
    bright = Bias({"cat": (-0.4, 0.0), "dog": (0.0, 0.4)}, factor="brightness")
    assert torch.equal(upright, oxford_pets.animal_masks(drawn_pets, 32, [-0.4, 0.4], bright)[0])
    inner, _ = oxford_pets.animal_masks(drawn_pets, 32, outline=False)
    assert inner.sum() < upright.sum() and not (inner & ~upright).any()


def test_one_process_fetches_them_and_another_waits_until_all_are_there(tmp_path, monkeypatch):
    calls, asked, whole, begun, go = [], [], [], Event(), Event()
    pictures = tmp_path / oxford_pets.PETS_FOLDER / "images"

    def fetch(url, archive, data):
        calls.append(url)
        if len(calls) > 1:
            whole.append(len(list(pictures.iterdir())) == 2)
            go.set()
            return pictures.parent
        for name in ("Bengal_1.jpg", "beagle_1.jpg"):
            pictures.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8)).save(pictures / name)
            begun.set()
            assert go.wait(GENEROUS)
        return pictures.parent

    def asked_for(path):
        asked.append(path)
        if len(asked) == 2:
            go.set()
        return locked(path)

    locked = oxford_pets.locked
    monkeypatch.setattr(oxford_pets, "untar_data", fetch)
    monkeypatch.setattr(oxford_pets, "locked", asked_for)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(oxford_pets.pets, tmp_path)
        assert begun.wait(GENEROUS)
        tables = [pool.submit(oxford_pets.pets, tmp_path).result(), first.result()]
    assert whole == [True] and [sorted(table.label) for table in tables] == [["cat", "dog"]] * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [oxford_pets.PETS_FOLDER]
