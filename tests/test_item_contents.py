"""Laws of how the cache knows items by what their files hold: never another's, whatever happens meanwhile."""

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from xaae.sources import item_cache
from xaae.sources.formats import content_of
from xaae.sources.item_cache import CacheEntry


@pytest.fixture
def files(tmp_path):
    """Four files of one byte each."""
    (tmp_path / "items").mkdir()
    paths = [str(tmp_path / "items" / f"{i}.bin") for i in range(4)]
    for i, path in enumerate(paths):
        Path(path).write_bytes(bytes([i]))
    return paths


@pytest.fixture
def made(tmp_path):
    """paths, options of `decode` -> (values, facts) of their entry, an item being the byte of its file; `made.times`
    counts how often items were decoded."""

    def find(paths, before=lambda: None, **facts):
        def decode(put):
            before()
            find.times += 1
            rows = [row for row, path in enumerate(paths) if os.access(path, os.R_OK) and os.path.getsize(path)]
            for row in rows:
                put(np.frombuffer(Path(paths[row]).read_bytes(), np.uint8))
            bad = [(row, f"{path} is empty") for row, path in enumerate(paths) if row not in rows]
            return rows, {"bad": bad, "frames": [], "for_now": False} | facts

        items, said = CacheEntry(tmp_path, paths, ("uint8", (1,)), {"kind": "byte"}).find_or_make(decode, quiet=True)
        return items[range(len(items))][:, 0].tolist(), said

    find.times = 0
    return find


def copies_of(paths):
    return [shutil.copy(path, path.replace(".bin", "-copy.bin")) for path in paths]


def test_copies_in_the_same_order_are_not_decoded_again(made, files):
    assert made(files) == made(copies_of(files)) and made.times == 1
    assert made(files[::-1])[0] == [3, 2, 1, 0] and made.times == 2


def test_a_file_that_changes_while_it_is_decoded_leads_nobody_to_the_entry(made, files):
    """Though it holds again, later, what it held when its content was looked at."""
    assert made(files, lambda: Path(files[1]).write_bytes(b"\x63"))[0] == [0, 99, 2, 3]
    Path(files[1]).write_bytes(b"\x01")
    assert made(files)[0] == [0, 1, 2, 3] and made(copies_of(files))[0] == [0, 1, 2, 3] and made.times == 2


def test_a_file_that_cannot_be_opened_costs_nobody_else_the_cache(made, files, monkeypatch):
    def refuse(file):
        if file == files[2]:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return content_of(file)

    monkeypatch.setattr(item_cache, "content_of", refuse)
    assert made(files)[0] == [0, 1, 2, 3] == made(files)[0] and made.times == 1
    assert made(copies_of(files))[0] == [0, 1, 2, 3] and made.times == 2  # nobody knows that they hold the same


def test_what_is_said_of_copies_names_the_copies(made, files):
    Path(files[1]).write_bytes(b"")
    assert made(files) == ([0, 2, 3], {"bad": [(1, f"{files[1]} is empty")], "frames": []})
    os.utime(files[0], (1, 1))
    assert made(files)[1]["bad"] == [[1, f"{files[1]} is empty"]] and made.times == 1  # touched alone: said already
    copies = copies_of(files)
    assert made(copies)[1]["bad"] == [(1, f"{copies[1]} is empty")] and made.times == 2


def test_some_that_cannot_be_read_now_take_nothing_from_those_who_had_all(made, files, tmp_path):
    made(files, frames=["more frames"])
    copies = copies_of(files)
    made(copies, for_now=True, frames=["more frames"])
    assert made(files)[0] == [0, 1, 2, 3] and made.times == 2


def test_an_entry_is_used_though_what_leads_to_it_cannot_be_written(made, files, monkeypatch):
    made(files)

    def refuse(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(item_cache, "_write_json", refuse)
    assert made(copies_of(files))[0] == [0, 1, 2, 3] and made.times == 1


def test_the_content_of_a_store_is_that_of_its_files_whatever_it_is_called(tmp_path):
    for name in ("a.zarr", "b.zarr", "c.zarr"):
        (tmp_path / name / "x").mkdir(parents=True)
        (tmp_path / name / ".zarray").write_text("{}")
        (tmp_path / name / "x" / ("1" if name == "c.zarr" else "0")).write_bytes(b"values")
    a, b, c = (content_of(str(tmp_path / name)) for name in ("a.zarr", "b.zarr", "c.zarr"))
    assert a == b != c
