"""MedMNIST's sets (Yang et al. 2023): .npz files with arrays of pictures or volumes and labels for each split."""

from pathlib import Path

from xaae.experiment.errors import InputError
from xaae.sources.npz_archives import archive_table


def medmnist_file(name, root):
    """The `.npz` of a MedMNIST dataset under `root`, fetched by the medmnist package if it is not there."""
    import medmnist

    for path in (Path(root) / f"{name}.npz", Path(root) / name / f"{name}.npz"):
        if path.is_file():
            return path
    if name not in medmnist.INFO:
        raise InputError(f"MedMNIST has no dataset {name!r}: choose one of {', '.join(medmnist.INFO)}.")
    try:
        getattr(medmnist, medmnist.INFO[name]["python_class"])(split="train", download=True, root=str(root))
    except Exception as e:  # the package raises RuntimeError for everything, including no network
        raise InputError(
            f"{name}.npz is not under {root} and could not be fetched: connect this machine or put the file there."
        ) from e
    return Path(root) / f"{name}.npz"


def is_of_volumes(name):
    """Are the items of this MedMNIST dataset volumes? Its name says so: organmnist3d, organmnist3d_64."""
    return "3d" in name


def medmnist(root, name="pneumoniamnist", **_):
    """`medmnist:NAME`: an .npz in MedMNIST's keys, with its own splits; path is FILE#KEY/INDEX.

    Labels are the class names of the medmnist package; numbers where it does not know the dataset. A suffix says how
    large items are: organmnist3d_64.
    """
    import medmnist as package

    return archive_table(medmnist_file(name, root), package.INFO.get(name.partition("_")[0], {}).get("label", {}))
