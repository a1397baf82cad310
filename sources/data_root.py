"""Where data are kept on this machine: fastai's own folder, found without loading fastai and PyTorch."""

import configparser
import os
from pathlib import Path

from fastcore.xtras import Config

PETS_FOLDER = "oxford-iiit-pet"  # where fastai puts Oxford-IIIT Pets, below the data root
CREATED = {"data": "data", "archive": "archive", "storage": "tmp", "model": "models"}  # fastai's, where nothing is kept


def default_root():
    """The folder where fastai keeps data on this machine; it is not made, and may be one that cannot be written."""
    home = Path(os.environ.get("FASTAI_HOME", "~/.fastai"))
    try:
        return Config(home, "config.ini", create=CREATED).path("data", "data")
    except (OSError, configparser.Error, UnicodeError):  # a home that cannot be written, or settings cut off there once
        return home.expanduser() / "data"
