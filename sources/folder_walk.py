"""Every file below a folder of the user's, links to other folders followed, and none of them for ever."""

import os
from pathlib import Path


def walk_once(folder, left_out=None, roots=()):
    """What `os.walk` gives of a folder, links to folders followed: (place, folders, files), one place after the other.

    Folders are in order; those that are taken out of the list are not entered. A link to what is read anyway, or to
    what lies above that, is not followed, since it could lead in a circle: its path is added to the list `left_out`.
    roots: real paths of what is read anyway beside the folder.
    """
    roots = {*roots, os.path.realpath(folder)}
    for place, folders, files in os.walk(folder):
        folders.sort()
        yield place, folders, files
        for link in filter(os.path.islink, [os.path.join(place, name) for name in folders]):
            if not _overlaps(Path(os.path.realpath(link)), roots):
                yield from walk_once(link, left_out, roots)
            elif left_out is not None:
                left_out.append(link)


def files_below(folder):
    """Paths of all files below a folder, see `walk_once`."""
    return (os.path.join(place, name) for place, _, files in walk_once(folder) for name in files)


def _overlaps(real, roots):
    """Is a folder in one of the others, or one of them in it?"""
    return any(real.is_relative_to(root) or Path(root).is_relative_to(real) for root in roots)
