"""Laws of the heads of NumPy's files: threads that read them at once do not disturb each other, whatever the Python."""

import gc
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import numpy as np
import pytest

from xaae.sources import formats
from xaae.sources.file_contents import head_alone
from xaae.sources.npz_archives import holds_volumes

READ = 1500  # heads that are read


@pytest.fixture
def interrupted():
    """Garbage is collected all the time, each time by Python's code, and threads take turns as often as they can."""
    before, thresholds, noise = sys.getswitchinterval(), gc.get_threshold(), lambda *_: None
    gc.callbacks.append(noise)
    gc.set_threshold(1)
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)
    gc.set_threshold(*thresholds)
    gc.callbacks.remove(noise)


@pytest.mark.parametrize(("version", "alone"), [
    ((3, 11, 7), True), ((3, 11, 8), False), ((3, 12, 1), True), ((3, 12, 2), False), ((3, 13, 0), False),
])  # fmt: skip
def test_heads_are_read_alone_where_python_needs_that(version, alone):
    assert isinstance(head_alone(version), nullcontext) is not alone


def test_an_archive_is_asked_by_many_threads_at_once(tmp_path, interrupted):
    """Without a lock a few in a thousand raise a SystemError in Python 3.11.7."""
    np.savez(tmp_path / "x.npz", train_images=np.zeros((2, 9, 9, 9), np.uint8), train_labels=np.arange(2))
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(holds_volumes, [tmp_path / "x.npz"] * READ))


def test_arrays_are_opened_by_many_threads_at_once(tmp_path, interrupted):
    for i in range(8):
        np.save(tmp_path / f"{i}.npy", np.zeros((2, 9, 9, 9), np.uint8))
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda i: formats.items_of(tmp_path / f"{i % 8}.npy", "volume"), range(READ))
        assert all(len(items) == 2 for items in found)
