"""The cache of decoded items: what was read from files once is a memory-mapped array on the disk from then on.

Every command that reads the same files in the same way finds it, whichever run it works on. An entry is known by what
each file holds, by how the items were decoded, and by the versions of what decoded them: a file that was changed gives
another entry, and files that were copied, moved or only touched give the same one. Contents are read when an entry is
made: later the path, size and times of each file lead to it. An entry is written whole or not at all; of commands that
need the same files at the same time one writes it while the others wait.

Small tables have none: reading them again takes a moment, and nothing is left on the disk. See `is_worthwhile`.
"""

import json
import math
import mmap
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib import metadata
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from xaae.experiment.errors import InputError
from xaae.experiment.manifest import locked
from xaae.experiment.whole_file import whole_file
from xaae.sources.formats import content_of, ending_of, files_of
from xaae.sources.read_ahead import in_order

FOLDER = "xaae-items"  # under the folder where data are kept
LARGE = 64 * 2**20  # bytes of decoded items; more do not stay in memory
LONG = 100 * 2**20  # bytes of files; to decode more takes many seconds
MANY = 200  # files; to open more takes some tenths of a second, for each part of a command
DECODERS = (  # packages that decode
    "xaae", "pillow", "numpy", "scipy", "opencv-python-headless", "pydicom", "nibabel", "wfdb", "edfio", "zarr",
)  # fmt: skip


class MappedItems:
    """An array (N, C, *places) in a file, of which only rows that are asked for come into memory.

    They leave it again, so that memory does not grow with the number of items; the system keeps what it has room for.
    """

    def __init__(self, path, dtype, shape):
        self.path, self.dtype, self.shape = Path(path), np.dtype(dtype), tuple(shape)
        with open(path, "rb") as file:
            self.pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.values = np.frombuffer(self.pages, self.dtype).reshape(self.shape)

    def __reduce__(self):
        return MappedItems, (self.path, self.dtype.str, self.shape)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        found = self.values[np.asarray(rows)]
        if self.values.nbytes > LARGE and hasattr(mmap, "MADV_DONTNEED"):
            self.pages.madvise(mmap.MADV_DONTNEED)
        return found


@dataclass
class CacheEntry:
    """The decoded items of one table: their place in the cache, whether they are there or not.

    root: the folder where data are kept. paths: FILE or FILE#ITEM of each item. form: its values' type and an item's
    shape (C, *places). options: all else that decides how an item is decoded, {name: value}.
    """

    root: Path
    paths: list
    form: tuple
    options: dict

    @property
    def folder(self):
        """Where all entries are."""
        return Path(self.root) / FOLDER

    @cached_property
    def marks(self):
        """{file that holds items: (bytes, what changes when it does)}, others that hold its values included.

        OSError for a file that is not there.
        """
        return marks_of(self.paths)

    @cached_property
    def key(self):
        """The name of what leads to the entry by the paths, sizes and times of the files."""
        return self._key_of(self._seen(range(len(self.paths))))

    def _seen(self, rows):
        """What tells each of some items, without its content."""
        return (f"{path} {self.marks[_file_of(path)][1]}" for path in (self.paths[row] for row in rows))

    def _held(self, rows, contents):
        """What tells each of some items by what its file holds."""
        for path in (str(self.paths[row]) for row in rows):
            file = _file_of(path)
            yield f"{contents[file]} {path[len(file) :]}"

    def _key_of(self, lines):
        """A name for items of which each has a line."""
        digest = sha256(repr([str(self.form), sorted(self.options.items()), _versions()]).encode())
        for line in lines:
            digest.update(f"{line}\n".encode(errors="surrogateescape"))
        return digest.hexdigest()[:24]

    def _contents(self, quiet):
        """{file that holds items: what it is known by, see `_content_of`}; each is read once."""
        with ThreadPoolExecutor() as pool:
            digests = in_order(pool, lambda file: _content_of(file, self.marks[file][1]), self.marks)
            bar = tqdm(digests, "comparing contents", len(self.marks), False, disable=quiet or None)
            return dict(zip(self.marks, bar, strict=True))

    def _as_they_were(self):
        """Are all files as they were when their marks were taken?"""
        try:
            return marks_of(self.paths) == self.marks
        except OSError:
            return False

    def is_worthwhile(self):
        """Do the items take too long to decode again, or too much memory? False where a file is not there."""
        try:
            size = sum(size for size, _ in self.marks.values())
        except OSError:
            return False
        return len(self.paths) * self.bytes_each() > LARGE or size > LONG or len(self.paths) > MANY

    def bytes_each(self):
        """Bytes of one item."""
        dtype, shape = self.form
        return np.dtype(dtype).itemsize * math.prod(shape)

    def find(self):
        """(MappedItems, what was told when they were decoded) of the entry; None if it is not there, or not whole."""
        return self._open(self.key)

    def find_again(self):
        """The same of a table that another command has read, though its files were copied, moved or touched since."""
        found = self.find()
        return found or (self._find_elsewhere(self._contents(quiet=False)) if self.folder.is_dir() else None)

    def _open(self, key):
        """The same of an entry that the name `key` leads to."""
        try:
            told = json.loads((self.folder / f"{key}.json").read_text())
            path, shape = self.folder / told["file"], (told["items"], *self.form[1])
            if path.stat().st_size != told["items"] * self.bytes_each():
                return None
            found = MappedItems(path, self.form[0], shape), told["facts"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        with suppress(OSError):  # another user's, who shares it
            os.utime(path)  # it was used
        return found

    def find_or_make(self, decode, quiet=False):
        """(MappedItems, facts) of the entry, which is made first if it is not there.

        decode(put) -> (rows of the items that it gave to `put`, an array each, in order; facts for JSON). Of a fact
        "for_now" that is true, some items could not be read at this moment: what could is kept, and the next command
        tries all of them again. OSError if the disk refuses; what `decode` raises. Then nothing is left.
        """
        if found := self.find():
            return found
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder / f".{self.key}.lock"):
            if found := self.find():
                return found
            contents = self._contents(quiet)
            return self._find_elsewhere(contents) or self._make(decode, contents)

    def _find_elsewhere(self, contents):
        """(MappedItems, facts) of the entry of items that hold the same, whatever they were called; None without it.

        From now on these files lead to it too. What was said of files is said anew of others, since it may name them.
        """
        key = self._key_of(self._held(range(len(self.paths)), contents))
        found = self._open(key)
        if found is None:
            return None
        try:
            told = json.loads((self.folder / f"{key}.json").read_text())
            said = found[1].get("bad") or found[1].get("frames")
            if said and told["names"] != self._names_of(range(len(self.paths))):
                return None
            _write_json(self.folder / f"{self.key}.json", told)
        except (OSError, ValueError, KeyError):
            pass  # it is looked for by its contents again
        return found

    def _make(self, decode, contents):
        """Decode and write the entry, and that of the items that can be read, which is what a run knows of.

        contents: of the files, as `_contents` gives them. A file that changes meanwhile leads nobody to the entry by
        what it held. Returns (MappedItems, facts).
        """
        for left in self.folder.glob(f"{self.key}.*.part"):  # of a process that was killed
            left.unlink()
        path = self.folder / f"{self.key}.items"
        with whole_file(path) as part:
            with open(part, "wb") as file:
                rows, facts = decode(lambda item: file.write(np.ascontiguousarray(item, self.form[0]).tobytes()))
        for_now, every = facts.pop("for_now", False), range(len(self.paths))
        of_run = self._key_of(self._seen(rows))
        if for_now:  # another command may write other items under the other name
            path = path.replace(self.folder / f"{of_run}.items")
        about = {"file": path.name, "items": len(rows), "about": self._in_words()}
        good = about | {"names": self._names_of(rows), "facts": facts | {"bad": []}}
        whole = about | {"names": self._names_of(every), "facts": facts}
        ways = {of_run: good} | ({} if for_now else {self.key: whole})
        if self._as_they_were():
            ways[self._key_of(self._held(rows, contents))] = good
            ways |= {} if for_now else {self._key_of(self._held(every, contents)): whole}
        for way, told in ways.items():
            _write_json(self.folder / f"{way}.json", told)
        return MappedItems(path, self.form[0], (len(rows), *self.form[1])), facts

    def _names_of(self, rows):
        """What some of the items are called, as a short text."""
        return self._key_of(str(self.paths[row]) for row in rows)

    def _in_words(self):
        """What the entry holds, for those who look through the cache."""
        folder = os.path.commonpath([os.path.dirname(path) for path in self.paths])
        return {"from": folder, "shape": list(self.form[1]), **{k: str(v) for k, v in self.options.items()}}


def _file_of(path):
    """The file that holds an item."""
    path = str(path)
    return path if "#" not in path or os.path.exists(path) else path.rpartition("#")[0]


def _mark_of(file):
    """(bytes, sizes and times as a text) of a file and of others with its values, such as samples beside a header."""
    states = [os.stat(file), *(os.stat(each) for each in files_of(file) if each != file)]
    mark = " ".join(f"{s.st_size} {s.st_mtime_ns} {s.st_ctime_ns}" for s in states)
    return sum(state.st_size for state in states), mark


def marks_of(paths):
    """{file that holds items of `paths`: (bytes, what changes when it does)}, others that hold its values included.

    No more is kept of a file, since there may be a million of them. OSError for a file that is not there.
    """
    return {file: _mark_of(file) for file in dict.fromkeys(map(_file_of, paths))}


def _content_of(file, mark):
    """What a file is known by: its ending, since that tells the format, and what it and others with its values hold.

    Of one that cannot be read now its path and its mark, which nothing else has.
    """
    try:
        return f"{ending_of(file)} {content_of(file)}"
    except OSError:
        return f"{file} {mark}"


def _versions():
    """Versions of what decodes items."""
    found = {}
    for name in DECODERS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = ""
    return found


def _write_json(path, value):
    """Write a value whole or not at all."""
    with whole_file(path) as part:
        part.write_text(json.dumps(value))


# ---- looking through it, clearing it ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kept:
    """One array in the cache: its file, bytes, when it was used last (seconds since 1970), number of items, and what
    was said of it."""

    path: Path
    size: int
    used: float
    items: int
    about: dict


def kept_items(root):
    """The arrays in the cache under `root`, the one that was used last first: a list of Kept."""
    found = {}
    for path in (Path(root) / FOLDER).glob("*.json"):
        try:
            told = json.loads(path.read_text())
            array = path.with_name(told["file"])
            state = array.stat()
            found[array] = Kept(array, state.st_size, state.st_mtime, told["items"], told["about"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # it is being removed, or was broken
    return sorted(found.values(), key=lambda kept: -kept.used)


def prune_items(root, unused_since=math.inf):
    """Remove what was last used before a time (seconds since 1970) from the cache under `root`: how many bytes.

    An array that a command has open stays readable to it. What is being written stays; what a killed command left goes.
    InputError if the disk refuses.
    """
    folder, freed = Path(root) / FOLDER, 0
    kept = [each.path.name for each in kept_items(root) if each.used >= unused_since]
    try:
        for path in [p for p in folder.glob("*") if p.suffix in (".items", ".json", ".part")]:
            if not _belongs_to(path, kept):
                freed += _remove(path)
    except OSError as e:
        raise InputError(f"{folder} cannot be cleared ({e.strerror}): allow it, or remove the folder.") from e
    return freed


def _belongs_to(path, kept):
    """Is a file of the cache one of the arrays of these names, or does it lead to one?"""
    if path.suffix != ".json":
        return path.name in kept
    try:
        return json.loads(path.read_text())["file"] in kept
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _remove(path):
    """Remove a file unless it is being written: how many bytes."""
    key = path.name.partition(".")[0]
    try:
        with locked(path.with_name(f".{key}.lock"), wait=False):
            size = path.stat().st_size
            path.unlink()
            return size
    except (BlockingIOError, FileNotFoundError):
        return 0
