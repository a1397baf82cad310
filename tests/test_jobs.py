"""Laws of an audit's work: every piece is done, whoever does it; what goes wrong is raised when the rest is done."""

import operator
import os

import pytest

from xaae.audit.jobs import Jobs
from xaae.experiment.errors import InputError


@pytest.fixture(params=[1, 2], ids=["in this process", "in two others"])
def jobs(request):
    """Jobs of either kind, and the lines that they say."""
    said = []
    jobs = Jobs(request.param, said.append, total=6.0)
    jobs.bar.disable = True  # whether or not somebody sees this terminal
    yield jobs, said
    jobs.close()


def test_every_piece_is_done_and_told_and_an_error_waits_for_the_others(jobs):
    work, said = jobs
    for cost, title, *what in [(1, "two", operator.add, 1, 1), (2, "six", operator.mul, 2, 3), (1, "id", os.getpid)]:
        work.add(cost, title, *what)
    found = work.run()
    assert (found["two"], found["six"]) == (2, 6) and work.done == 4
    assert (found["id"] == os.getpid()) == (work.workers == 1)
    assert sorted(line.partition(";")[0].strip() for line in said) == ["id", "six", "two"]
    work.add(1, "nought", operator.truediv, 1, 0)
    work.add(1, "one", operator.truediv, 1, 1)
    with pytest.raises(ZeroDivisionError):
        work.run()
    assert work.done == 6 and work.run() == {}


def test_a_process_that_dies_is_told_in_a_sentence():
    work = Jobs(2)
    work.add(1.0, "dies", os._exit, 1)
    with pytest.raises(InputError, match="fewer --workers"):
        work.run()
    work.close(at_once=True)
