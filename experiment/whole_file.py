"""Files that are written whole or not at all, and what is said when the disk refuses one."""

import errno
import os
from contextlib import contextmanager
from pathlib import Path

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
def whole_file(path):
    """A path beside `path` to write to; it gets the name `path` when all is written, and is removed if that fails.

    Each process writes to its own.
    """
    path = Path(path)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


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
