"""Files and folders that are written whole or not at all, and what is said when the disk refuses one."""

import errno
import os
import shutil
from contextlib import contextmanager
from glob import escape, glob
from pathlib import Path

from xaae.experiment.errors import InputError

FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS}
IN_WORDS = (  # how libraries tell of a disk that takes no more, without its number
    "encoder error",  # PIL
    " requested and ",  # NumPy
    "PytorchStreamWriter",
    "inline_container",  # torch
    "I/O error",  # safetensors
)


@contextmanager
def whole_file(path, durable=False):
    """A path beside `path` to write to; it gets the name `path` when all is written, and is removed if that fails.

    Each process writes to its own. durable: the disk has all of it before it gets the name, so that a machine that
    loses its power leaves the file of before or the new one.
    """
    path = Path(path)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield part
        _like_other_files(part)
        if durable:
            with open(part, "rb+") as written:
                os.fsync(written.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _like_other_files(part):
    """Give a file the mode that new files have here, if a library made it for this user alone, as safetensors does."""
    if part.is_file() and not part.stat().st_mode & 0o077:
        other = part.with_name(f"{part.name}.mode.part")
        try:
            other.touch()
            part.chmod(other.stat().st_mode)
        finally:
            other.unlink(missing_ok=True)


def fill_folder(folder, write, names=(), next_free=None):
    """Fill a folder whole or not at all, however the command ends: the folder.

    write(part): fills another folder, whose files take their place when all are written. names: of files that the
    folder may hold from an earlier time; those that are not written again are removed. next_free(folder): another
    folder for one that must not be there and is by then. InputError if the disk refuses the folder.
    """
    there = folder.is_dir() and not next_free
    stem = f"{folder}{os.sep}." if there else f"{folder.parent}{os.sep}.{folder.name}."
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for left in glob(f"{escape(stem)}*.part"):
            if not _is_at_work(left[len(stem) :].partition(".")[0]):
                shutil.rmtree(left, ignore_errors=True)
        part = Path(f"{stem}{os.getpid()}.part")
        part.mkdir()
    except OSError as e:
        raise InputError(f"{folder} cannot be written ({e.strerror}): choose another --out.") from e
    try:
        write(part)
        return _move_files(part, folder, names) if there else _take_name(part, folder, next_free)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _is_at_work(number):
    """May the process of this number still be at work?"""
    if os.name == "nt" or not number.isdecimal():
        return True  # nobody can ask there
    try:
        os.kill(int(number), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass
    return True


def _move_files(part, folder, names):
    """Give the files of a folder to another; its files of these names that are not among them are removed."""
    written = os.listdir(part)
    for name in written:
        os.replace(part / name, folder / name)
    for name in set(names) - set(written):
        (folder / name).unlink(missing_ok=True)
    return folder


def _take_name(part, folder, next_free):
    """Call one folder like another that is not there, or like the next free one if it is there by now."""
    while True:
        try:
            os.rename(part, folder)
            return folder
        except OSError:
            if not (next_free and folder.exists()):
                raise
            folder = next_free(folder)


def disk_refusal(error):
    """One sentence for an error with which a disk refuses to take a file; None for any other error."""
    number, name = getattr(error, "errno", None), getattr(error, "filename", None)
    told = number is None and any(words in str(error) for words in IN_WORDS)
    if number in FULL or told:
        where = f" for {name}" if name else ""
        return f"There is no room on the disk{where}: free some and repeat the command, or write elsewhere (--out)."
    if number in CLOSED and isinstance(error, OSError):
        what = f"{name or 'A file'} may not be written or read ({error.strerror})"
        return f"{what}: allow it, or choose another folder (--out, --data-root)."
    if number == errno.EIO:
        return f"The disk cannot write or read {name or 'a file'} ({error.strerror}): mend it, or choose another --out."
    return None
