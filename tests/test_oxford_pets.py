"""Laws of the masks of Oxford-IIIT Pets: they say where the animal is, also where the picture is rotated."""

import numpy as np
import pytest
import torch
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
