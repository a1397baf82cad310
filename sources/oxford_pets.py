"""Oxford-IIIT Pets (Parkhi et al. 2012): the table of its photographs, and where the animal is in them."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from fastai.data.external import URLs, untar_data
from fastai.data.transforms import get_image_files
from PIL import Image, ImageOps

from xaae.experiment.errors import InputError
from xaae.experiment.manifest import locked
from xaae.sources.data_root import PETS_FOLDER


def _fetched(root):
    """The folder of the photographs under `root`; one process fetches them, others that want them wait."""
    lock = root / f".{PETS_FOLDER}.lock"
    there = (root / PETS_FOLDER).is_dir() and not lock.exists()  # all of it, and perhaps nothing may be written there
    with nullcontext() if there else locked(lock):
        return untar_data(URLs.PETS, archive=root, data=root)


def pets(root, **_):
    """Oxford-IIIT Pets through fastai's own archive; an upper-case file name is a cat, the breed is the group."""
    try:
        images = get_image_files(_fetched(Path(root)) / "images")
    except Exception as e:  # whatever a download, a disk or an archive can raise: one cure
        raise InputError(
            f"Oxford-IIIT Pets is not under {root} and could not be fetched there ({type(e).__name__}: {e}): connect"
            f" this machine, put the folder {PETS_FOLDER} there, or use --dataset synthpets."
        ) from e
    images = sorted(images)
    label = ["cat" if p.name[0].isupper() else "dog" for p in images]
    return pd.DataFrame({"path": images, "label": label, "group": [p.stem.rsplit("_", 1)[0] for p in images]})


def animal_masks(paths, size, values=None, bias=None, outline=True):
    """Where the animal is: (masks (N, 1, size, size) bool, has (N,) bool), from the trimaps of Oxford-IIIT Pets.

    paths: of the pictures; one without a trimap has an empty mask. values (N,) of the factor: the mask moves with the
    picture as `bias` plants it. outline: does the band around the animal, a few pixels wide, belong to it?
    """
    found = torch.zeros(len(paths), 1, size, size)
    for row, path in enumerate(map(Path, paths)):
        trimap = path.parent.parent / "annotations" / "trimaps" / f"{path.stem}.png"
        if trimap.is_file():
            with Image.open(trimap) as kinds:
                animal = Image.fromarray(np.uint8(255) * np.isin(kinds, (1, 3) if outline else (1,)))
            fit = ImageOps.fit(
                animal, (size, size), Image.Resampling.BILINEAR
            )  # as `picture_files.decode_picture` does it
            found[row, 0] = torch.from_numpy(np.array(fit)) / 255
    if bias is not None and bias.factor == "rotation":  # nothing else moves what is in a picture
        found = bias.plant(found, values)
    return found >= 0.5, (found >= 0.5).flatten(1).any(1).numpy()
