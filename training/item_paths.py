"""Where the files of a run's items are now: a run is opened from any folder, and its dataset may have been moved."""

import os
from pathlib import Path

import numpy as np

from xaae.experiment.errors import InputError

LOOKS = 50  # items by which the folder is found
CURE = "say by --data-root where they are now"


def locate_items(paths, run, root=None):
    """The paths of a run's items as they are found now: a Series of absolute paths of the same index.

    paths (N,): as items.csv has them. run: the run's folder. root: a folder, or a CSV in one, that the items were moved
    to; None for where they were in training. An earlier version wrote paths relative to the folder it was started in:
    they are looked for from the present one and from those above the run. InputError if `root` does not hold them.
    """
    if root is not None:
        return _moved(paths, Path(root), run)
    if all(os.path.isabs(path) for path in paths):
        return paths
    starts = [Path.cwd(), *Path(run).absolute().parents]
    start = next((s for s in starts if _exists(s / paths.iloc[0])), starts[0])
    return paths.map(lambda path: str(start / path))


def check_items_exist(paths, run, plural="items"):
    """InputError, which names the cure, if the files of a run's items are not there any more."""
    missing = [path for path in paths if not _exists(path)]
    if missing:
        raise InputError(
            f"{len(missing)} of the {len(paths)} {plural} that {run} was trained on are not where they were, as"
            f" {missing[0]}: put them back, or {CURE}."
        )


def _exists(path):
    """Is there a file for an item? Of FILE.npz#KEY/INDEX and its like the file that holds it."""
    return os.path.exists(path) or os.path.exists(str(path).rpartition("#")[0])


def _moved(paths, root, run):
    """Paths (N,) with `root` in the place of the folder that the items shared, or of one above it."""
    root = (root.parent if root.is_file() else root).absolute()
    if not root.is_dir():
        raise InputError(f"There is no folder {root}: give --data-root the one that the items of {run} are in now.")
    parts = paths.map(lambda path: Path(path).parts)
    shared = _length_of_shared(paths)
    under = lambda path, first: str(root.joinpath(*path[first:]))  # noqa: E731
    firsts = range(int(os.path.isabs(paths.iloc[0])), shared + 1)
    looked_at = parts.iloc[np.unique(np.linspace(0, len(parts) - 1, LOOKS).astype(int))]
    best = max(firsts, key=lambda first: sum(_exists(under(path, first)) for path in looked_at))
    found = parts.map(lambda path: under(path, best))
    lost = parts[~found.map(_exists)]
    if len(lost):
        raise InputError(
            f"{root} holds {len(found) - len(lost)} of the {len(found)} items that {run} was trained on, and not"
            f" {Path(*lost.iloc[0][shared:])}: give --data-root the folder that holds them all."
        )
    return found


def _length_of_shared(paths):
    """How many parts of the path of a folder all these files have in common."""
    return len(Path(os.path.commonpath([os.path.dirname(path) for path in paths])).parts)
