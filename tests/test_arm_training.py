"""Laws of training an arm of an audit: what others left half done goes, what they are doing stays."""

import os
import socket
import subprocess
import sys
import time

import pytest

from xaae.audit import arm_training

HERE, DAY = socket.gethostname(), 24 * 3600


@pytest.fixture(scope="module")
def dead():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("owner", "age", "stays"),
    [
        ("{here}-{me}", 9 * DAY, True),
        ("{here}-{dead}", 0, False),
        ("{dead}", 0, False),  # as earlier versions named it
        ("a-node.partition.site-{dead}", 0, True),
        ("a-node.partition.site-{dead}", 2 * DAY, False),
        ("a-node.partition.site-{me}", 2 * DAY, False),
        ("a-note", 9 * DAY, True),
    ],
)
def test_only_what_dead_processes_left_half_trained_is_removed(tmp_path, dead, owner, age, stays):
    half = tmp_path / f"0a1b.part{owner.format(here=HERE, me=os.getpid(), dead=dead)}"
    (half / "walks").mkdir(parents=True)
    (half / "train.log").touch()
    for path in (half / "walks", half / "train.log", half):
        os.utime(path, 2 * (time.time() - age,))
    (tmp_path / "0a1b").mkdir()
    arm_training.forget_dead(tmp_path)
    assert half.is_dir() == stays and (tmp_path / "0a1b").is_dir()
