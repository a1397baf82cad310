"""Toy runs on disk that are made once for all tests, also where several processes of tests run side by side."""

import json
import os
import shutil
from contextlib import contextmanager

import pytest
from filelock import FileLock

MANIFEST = "manifest.jsonl"


def common_folder(tmp_path_factory):
    """The temporary folder that all processes of this session of tests have in common."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


def made_once(tmp_path_factory, name, make):
    """The folder `name`, filled by `make(folder)` in whichever process asks first; the others wait for it.

    Nobody may write to it afterwards: take a `copy_of` it. What could not be made is not tried again.
    """
    folder = common_folder(tmp_path_factory) / "toys" / name
    folder.parent.mkdir(exist_ok=True)
    done, broken = (folder.parent / f"{name}.{state}" for state in ("done", "broken"))
    with FileLock(folder.parent / f"{name}.lock"):
        if broken.exists():
            pytest.fail(f"the toy {name} could not be made: {broken.read_text()}", pytrace=False)
        if not done.exists():
            try:
                make(folder)
            except BaseException as e:
                broken.write_text(f"{type(e).__name__}: {e}")
                raise
            done.touch()
    return folder


def copy_of(folder, to):
    """A copy of a toy that may be written to; only its largest file, which is never written into, is a link."""
    return shutil.copytree(folder, to, copy_function=_copy)


def _copy(source, target):
    """Copy a file, or link it if it is the one of 85 MB."""
    try:
        return os.link(source, target) if source.endswith("baseline.safetensors") else shutil.copy2(source, target)
    except OSError:  # a disk without links
        return shutil.copy2(source, target)


@contextmanager
def lent(folder):
    """The toy `folder`, which tests may read: it is an error of theirs if its files are others afterwards."""
    before = _files(folder)
    yield folder
    changed = sorted({str(path.relative_to(folder)) for path, _ in before ^ _files(folder)})
    assert not changed, f"a test wrote to the toy that others read: {', '.join(changed)}; give it a copy_of"


def _files(folder):
    """Each file in a folder, with the time of its last change, but for its manifest: a command that is refused late
    has added its line there."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST]
    return {(path, path.stat().st_mtime_ns) for path in files}


def in_bf16(run):
    """The same run folder, whose commands from now on compute in bf16, in hardware or not."""
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config | {"precision": "bf16"}))
    return run
