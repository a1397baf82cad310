"""Laws of the cache of decoded items: decoded once, never another's, whole or not at all, none where it is small."""

import errno
import os
import pickle
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.at_once import Gate, begin, returned
from helpers.command_line import EXACT, TINY, call, refused, succeed
from helpers.pictures import save_pictures
from helpers.recorded import pulses, save_record, save_zarr
from helpers.same_runs import check_same_run
from helpers.waiting import GENEROUS
from PIL import Image

from xaae import data
from xaae.experiment.errors import InputError
from xaae.experiment.kinds import SIGNAL
from xaae.sources import item_cache, picture_files, read_ahead, signals
from xaae.sources.items import lazy_items, open_items
from xaae.sources.raster_scaling import Window

needs_locks = pytest.mark.skipif(os.name != "posix", reason="this system has no locks of this kind")


@pytest.fixture
def worthwhile(monkeypatch):
    """Every table is worth to be kept."""
    monkeypatch.setattr(item_cache, "MANY", 0)


@pytest.fixture
def table(tmp_path):
    return data.load_table(str(save_pictures(tmp_path / "pictures")))


@pytest.fixture
def decoded(monkeypatch):
    """The paths that were decoded, in a list."""
    paths, decode = [], picture_files._decode
    monkeypatch.setattr(picture_files, "_decode", lambda path, *form: paths.append(path) or decode(path, *form))
    return paths


def opened(table, root, size=16, channels=3, **options):
    """(good table, Pictures, skipped) of a table, with a cache under `root`."""
    return picture_files.open_pictures(table, size, channels, quiet=True, cache=root, **options)


def files_in(root):
    """Names of all files in a cache."""
    return sorted(path.name for path in (root / item_cache.FOLDER).glob("*"))


@pytest.mark.usefixtures("worthwhile")
def test_items_are_the_same_with_a_cache_and_decoded_once(table, tmp_path, decoded):
    plain = picture_files.open_pictures(table, 16, 3, quiet=True)[1]
    del decoded[:]
    first, second = (opened(table, tmp_path)[1] for _ in range(2))
    assert sorted(decoded) == sorted(table.path)
    rows = [3, 0, 0, len(table) - 1]
    for items in (first, second, pickle.loads(pickle.dumps(second))):
        assert items[rows].dtype == torch.float32 and torch.equal(items[rows], plain[rows])
    lazy = picture_files.cached_pictures(list(table.path), 16, 3, tmp_path)
    assert torch.equal(lazy[rows], plain[rows]) and len(decoded) == len(table)


def test_small_tables_leave_nothing_on_the_disk(table, tmp_path):
    opened(table, tmp_path)
    assert not (tmp_path / item_cache.FOLDER).exists()
    assert picture_files.cached_pictures(list(table.path), 16, 3, tmp_path) is None


@pytest.mark.parametrize("limit", ["LARGE", "LONG", "MANY"])
def test_each_limit_alone_makes_it_worthwhile(table, tmp_path, monkeypatch, limit):
    amount = {"LARGE": len(table) * 3 * 16**2, "LONG": sum(map(os.path.getsize, table.path)), "MANY": len(table)}[limit]
    for most, kept in ((amount, False), (amount - 1, True)):
        monkeypatch.setattr(item_cache, limit, most)
        opened(table, tmp_path)
        assert (tmp_path / item_cache.FOLDER).exists() == kept


def write_again(path):
    """The same picture with one pixel of another colour, as large a file, at the same time by its own clock."""
    before, image = os.stat(path), Image.open(path).convert("RGB")
    image.putpixel((0, 0), (1, 2, 3))
    image.save(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.usefixtures("worthwhile")
def test_a_file_that_is_written_again_is_decoded_again(table, tmp_path):
    before = opened(table, tmp_path, size=32)[1][[2]]
    write_again(table.path[2])
    now, plain = opened(table, tmp_path, size=32)[1], picture_files.open_pictures(table, 32, 3, quiet=True)[1]
    assert torch.equal(now[[2]], plain[[2]]) and not torch.equal(now[[2]], before)


@pytest.mark.usefixtures("worthwhile")
@pytest.mark.parametrize("kind", ["record", "zarr"])
def test_samples_that_are_written_again_beside_their_header_are_read_again(tmp_path, kind):
    """The file that a table names stays as it was."""
    values, changed = np.sin(np.arange(400) / 9)[None], np.cos(np.arange(400) / 9)[None]
    if kind == "record":
        path, parts = save_record(tmp_path, "r1", values), [tmp_path / "r1.dat"]
    else:
        path = save_zarr(tmp_path / "r1.zarr", X=values)
        parts = [part for part in path.rglob("*") if part.is_file() and part.suffix != ".json"]
    items = [f"{path}#samples/{at}-{at + 100}" for at in range(0, 400, 100)]
    table = pd.DataFrame({"path": items, "label": list("abab"), "split": ["train", "train", "valid", "valid"]})
    before = signals.open_signals(table, None, None, quiet=True, cache=tmp_path)[1].in_units([1])
    (tmp_path / "other").mkdir()
    save_record(tmp_path / "other", "r1", changed) if kind == "record" else save_zarr(tmp_path / "other", X=changed)
    other = tmp_path / "other" / "r1.dat" if kind == "record" else tmp_path / "other"
    for part in parts:
        part.write_bytes((other if kind == "record" else other / part.relative_to(path)).read_bytes())
    now = signals.open_signals(table, None, None, quiet=True, cache=tmp_path)[1].in_units([1])
    assert np.abs(now - before).max() > 0.5


CHANGES = {  # what is done with the files -> where each lies then
    "touched": lambda path: os.utime(path, (1, 1)) or path,
    "copied": lambda path: shutil.copy(path, path + ".copy.png"),
    "of another ending": lambda path: shutil.copy(path, path + ".bmp"),
}


@pytest.mark.usefixtures("worthwhile")
@pytest.mark.parametrize("change", CHANGES)
def test_files_that_hold_the_same_are_not_decoded_again(table, tmp_path, decoded, change):
    """Whatever they are called and their times are; but the ending tells the format, and so how a file is read."""
    plain, rows = opened(table, tmp_path)[1], range(len(table))
    paths = [str(CHANGES[change](path)) for path in table.path]
    again = change == "of another ending"
    of_run = picture_files.cached_pictures(paths, 16, 3, tmp_path)
    assert of_run is None if again else torch.equal(of_run[rows], plain[rows])
    assert torch.equal(opened(table.assign(path=paths), tmp_path)[1][rows], plain[rows])
    assert len(decoded) == (1 + again) * len(table)


FORMS = [{"size": 17}, {"channels": 1}, {"window": Window("fixed", 0.0, 9.0)}, {"window": Window("fixed", 0.0, 9.5)}]


@pytest.mark.usefixtures("worthwhile")
def test_another_way_to_decode_is_another_entry(table, tmp_path, decoded):
    for number, form in enumerate([{}, *FORMS], 1):
        opened(table, tmp_path, **form)
        assert len(decoded) == number * len(table)
    opened(table.iloc[::-1], tmp_path)
    assert len(decoded) == (len(FORMS) + 2) * len(table)


@pytest.mark.usefixtures("worthwhile")
def test_another_version_of_what_decodes_is_another_entry(table, tmp_path, monkeypatch, decoded):
    opened(table, tmp_path)
    monkeypatch.setattr(item_cache.metadata, "version", lambda name: "99")
    opened(table, tmp_path)
    assert len(decoded) == 2 * len(table)


@pytest.mark.usefixtures("worthwhile")
def test_what_cannot_be_read_is_told_each_time_and_a_run_of_the_others_finds_them(table, tmp_path, decoded):
    Path(table.path[1]).write_text("no picture")
    good, items, skipped = opened(table, tmp_path, most_bad=0.5)
    again = opened(table, tmp_path, most_bad=0.5)
    of_run = opened(good, tmp_path, most_bad=0.0)
    assert len(decoded) == len(table)
    assert list(skipped.path) == [table.path[1]] and skipped.equals(again[2]) and of_run[2].empty
    assert torch.equal(items[[0, 1]], of_run[1][[0, 1]]) and good.equals(of_run[0])
    with pytest.raises(InputError, match="cannot be read"):
        opened(table.iloc[:3], tmp_path, most_bad=0.1)
    assert len([name for name in files_in(tmp_path) if name.endswith(".items")]) == 1


@pytest.mark.usefixtures("worthwhile")
@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ETIMEDOUT])
def test_what_cannot_be_read_at_this_moment_is_tried_again(table, tmp_path, monkeypatch, number):
    """What a file holds cannot change while its size and times stay; whether a disk gives it can."""
    decode, refused = picture_files._decode, {table.path[1]}

    def refuse(path, *form):
        if path in refused:
            raise OSError(number, os.strerror(number), path)
        return decode(path, *form)

    monkeypatch.setattr(picture_files, "_decode", refuse)
    plain = picture_files.open_pictures(table.drop(index=1), 16, 3, quiet=True)[1]
    good, items, skipped = opened(table, tmp_path)
    assert list(skipped.path) == [table.path[1]] and os.strerror(number) in skipped.reason.iloc[0]
    assert torch.equal(items[[0, 1]], plain[[0, 1]])
    refused.clear()
    refused.add(table.path[4])  # as many can be read, others
    assert list(opened(table, tmp_path)[2].path) == [table.path[4]]
    of_run = picture_files.cached_pictures(list(good.path), 16, 3, tmp_path)
    assert torch.equal(of_run[range(len(good))], plain[range(len(good))])  # a run of the others still has its own
    refused.clear()
    assert opened(table, tmp_path)[2].empty


@pytest.mark.usefixtures("worthwhile")
@pytest.mark.parametrize("fault", ["cut", "no array", "no JSON"])
def test_a_broken_entry_is_made_again(table, tmp_path, decoded, fault):
    items = opened(table, tmp_path)[1]
    for name in files_in(tmp_path):
        path = tmp_path / item_cache.FOLDER / name
        if fault == "cut" and path.suffix == ".items":
            path.write_bytes(path.read_bytes()[:-1])
        elif path.suffix == {"no array": ".items", "no JSON": ".json"}.get(fault):
            path.unlink() if fault == "no array" else path.write_text("{")
    kept = items[[0]]
    assert torch.equal(opened(table, tmp_path)[1][[0]], kept) and len(decoded) == 2 * len(table)


@pytest.mark.usefixtures("worthwhile")
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_disk_that_refuses_stops_nothing(table, tmp_path, monkeypatch, capsys, number):
    def refuse(*args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(item_cache.CacheEntry, "_make", refuse)
    plain = picture_files.open_pictures(table, 16, 3, quiet=True)[1]
    assert torch.equal(opened(table, tmp_path)[1][[0, 5]], plain[[0, 5]])
    assert os.strerror(number) in capsys.readouterr().out and files_in(tmp_path) == []


def make_slowly(table, root, gate):
    """Open a table in a process of its own, in which the third picture is decoded once it may be: how many were."""
    decode, count, item_cache.MANY = picture_files._decode, [], 0

    def slowly(path, *form):
        count.append(path)
        if len(count) == 3:
            gate.wait()
        return decode(path, *form)

    picture_files._decode = slowly
    opened(table, root)
    return len(count)


@needs_locks
@pytest.mark.usefixtures("worthwhile")
def test_of_several_commands_at_once_one_decodes_and_a_killed_one_leaves_no_half_entry(table, warm, tmp_path, decoded):
    never, gate = Gate(tmp_path / "never"), Gate(tmp_path / "gate")
    killed = begin(warm, make_slowly, table, tmp_path, never)
    never.wait_for(1)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait(GENEROUS) == -signal.SIGKILL
    assert any(name.endswith(".part") for name in files_in(tmp_path))
    assert not any(name.endswith((".json", ".items")) for name in files_in(tmp_path))
    others = [begin(warm, make_slowly, table, tmp_path, gate) for _ in range(3)]
    gate.wait_for(1)
    assert item_cache.prune_items(tmp_path) == 0  # what is being written stays
    gate.open()
    assert sorted(map(returned, others)) == [0, 0, len(table)]
    assert sorted(name.rpartition(".")[2] for name in files_in(tmp_path)) == ["items", "json", "json"]
    opened(table, tmp_path)
    assert decoded == []


@pytest.mark.usefixtures("worthwhile")
def test_rows_of_a_large_array_leave_memory_again(table, tmp_path, monkeypatch):
    plain = opened(table, tmp_path)[1][[0, 1, 2]]
    monkeypatch.setattr(item_cache, "LARGE", 0)
    items = opened(table, tmp_path)[1]
    assert all(torch.equal(items[[0, 1, 2]], plain) for _ in range(3))


def test_no_more_pictures_are_ahead_than_are_meant_to_be(monkeypatch):
    """What is decoded waits for whoever writes it: as many as AHEAD, not all."""
    from concurrent.futures import ThreadPoolExecutor

    begun = []
    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(read_ahead, "AHEAD", 4)
        results = read_ahead.in_order(pool, lambda path: begun.append(path) or path, range(50))
        taken = [next(results) for _ in range(5)]
        assert taken == [0, 1, 2, 3, 4] and len(begun) <= 9
        assert [*taken, *results] == list(range(50))


# ---- signals ----------------------------------------------------------------------------------------------------


@pytest.fixture
def signal_table(tmp_path):
    """Forty short pulses, one of which cannot be read."""
    values, _ = pulses(40)
    paths = [tmp_path / f"{i}.npy" for i in range(40)]
    for path, each in zip(paths, values, strict=True):
        np.save(path, each)
    paths[7].write_text("no signal")
    labels = ["a", "b"] * 20
    return pd.DataFrame(
        {"path": [str(path) for path in paths], "label": labels, "split": ["train"] * 30 + ["valid"] * 10}
    )


@pytest.mark.usefixtures("worthwhile")
def test_signals_of_a_run_are_read_once(signal_table, tmp_path, monkeypatch):
    plain = open_items(SIGNAL, signal_table, None, None, quiet=True)
    good, items, skipped = open_items(SIGNAL, signal_table, None, None, tmp_path, quiet=True)
    assert skipped.equals(plain[2]) and torch.equal(items[range(39)], plain[1][range(39)])

    def refuse(*args):
        raise AssertionError("a signal was read again")

    monkeypatch.setattr(signals, "read_signal", refuse)
    how = {"scale": items.measured["signal_scale"]}
    again, kept, none = open_items(SIGNAL, good, items.size, items.channels, tmp_path, **how)
    lazy = lazy_items(SIGNAL, list(good.path), items.size, items.channels, tmp_path, **how)
    assert again.equals(good) and none.empty and list(none) == ["path", "reason"]
    assert kept.measured == items.measured
    assert all(torch.equal(each[range(39)], plain[1][range(39)]) for each in (kept, lazy))


# ---- the command ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("worthwhile", "small_baseline")
def test_no_command_of_a_run_decodes_again(pictures_folder, tmp_path, decoded):
    root = tmp_path / "root"
    root.mkdir()
    run, options = tmp_path / "run", ["--dataset", pictures_folder, "--data-root", root, "--baseline-epochs", 0]
    succeed("train", *TINY, *options, "--out", run)
    assert len(decoded) == len(set(decoded)) == len(list(pictures_folder.rglob("*.png")))
    succeed("evaluate", run)
    succeed("explain", run, "--methods", "saliency", "--items", 2)
    assert len(decoded) == len(set(decoded))


@pytest.mark.usefixtures("small_baseline")
def test_the_same_seed_gives_the_same_run_with_a_cache(pictures_folder, tmp_path, monkeypatch):
    """Written by the first command, found by the second, or not there at all."""
    (tmp_path / "root").mkdir()
    options = [*TINY, *EXACT, "--dataset", pictures_folder, "--data-root", tmp_path / "root", "--baseline-epochs", 0]
    for name, most in (("plain", item_cache.MANY), ("makes", 0), ("finds", 0)):
        monkeypatch.setattr(item_cache, "MANY", most)
        succeed("train", *options, "--out", tmp_path / name)
    check_same_run(tmp_path / "makes", tmp_path / "plain")
    check_same_run(tmp_path / "finds", tmp_path / "plain")


@pytest.fixture
def filled(table, tmp_path, worthwhile):
    """A root with two arrays, one of which was read last a week ago."""
    for size in (16, 32):
        opened(table, tmp_path, size=size)
    old = next(each.path for each in item_cache.kept_items(tmp_path) if each.about["shape"] == [3, 16, 16])
    os.utime(old, (time.time() - 7 * 86_400,) * 2)
    return tmp_path


def test_the_command_lists_tells_the_size_and_prunes(filled):
    told = succeed("cache", "--data-root", filled)
    lines = told.splitlines()
    assert "3 x 32 x 32" in lines[0] and "3 x 16 x 16" in lines[1] and str(filled / "pictures") in lines[0]
    assert lines[2] == succeed("cache", "size", "--data-root", filled).splitlines()[0] and "2 arrays" in lines[2]
    succeed("cache", "prune", "--unused-for", 3, "--data-root", filled)
    assert "1 array of" in succeed("cache", "size", "--data-root", filled)
    assert "removed" in succeed("cache", "prune", "--data-root", filled) and files_in(filled) == []
    assert "0 arrays" in succeed("cache", "--data-root", filled)


def test_pruning_stops_no_command_that_reads(filled, table):
    items = opened(table, filled)[1]
    before = items[[0]]
    succeed("cache", "prune", "--data-root", filled)
    assert torch.equal(items[[0]], before)


def test_the_command_looks_into_the_folder_that_it_is_given_and_no_other(filled, monkeypatch):
    monkeypatch.chdir(filled.parent)
    assert "2 arrays" in succeed("cache", "size", "--data-root", filled.name)
    assert refused(call("cache", "prune", "--data-root", "not-there"), "There is no folder not-there")
    assert refused(call("cache", "size", "--unused-for", 3, "--data-root", filled), "prune")


def test_an_entry_of_another_user_is_used_though_it_cannot_be_touched(filled, table, monkeypatch, decoded):
    def no_owner(*args, **options):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(item_cache.os, "utime", no_owner)
    assert len(opened(table, filled)[1]) == len(table) and decoded == []
