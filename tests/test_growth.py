"""Laws of the measurement of growth: memory that was held is seen, and each larger step is set beside the smallest."""

from pathlib import Path

import numpy as np
import pytest
from helpers.waiting import wait_until

from xaae.benchmarks import growth, run


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system says only the peak of a process")
def test_memory_that_was_held_for_a_moment_is_seen():
    with growth.watched_memory() as before:
        pass
    with growth.watched_memory() as held:
        block = np.ones(40_000_000)  # 320 MB
        wait_until(lambda: held["megabytes"] > before["megabytes"] + 200)
        del block


def test_each_step_is_measured_beside_the_least_in_every_round(monkeypatch):
    asked = []

    def made_up(what, number):
        asked.append(number)
        return {"seconds": number * (1 + len(asked)), "megabytes": 100 + number}

    monkeypatch.setattr(growth, "measure_apart", made_up)
    found = growth.growth(64, "fp32", 3, {"items": (10, 20, 40)})
    assert asked == [10, 20, 40] * 3
    memory = {c.name: c for c in found if c.unit == "MB"}
    assert memory["growth-items-20-megabytes"].ratio_median == pytest.approx(120 / 110)
    assert memory["growth-items-40-megabytes"].ratio_max == pytest.approx(140 / 110)
    slow = next(c for c in found if c.name == "growth-items-40-seconds")
    assert slow.repeats == 3 and slow.ratio_min < slow.ratio_max and slow.ratio_median > 4


@pytest.mark.parametrize("what", ["size", "dims", "samples"])
def test_a_step_of_every_sort_is_taken(what):
    found = growth.measure(what, {"size": 16, "dims": 2, "samples": 64}[what])
    assert found["seconds"] > 0 and found["megabytes"] > 50


def test_what_cannot_be_measured_is_told_and_the_rest_goes_on(monkeypatch, capsys):
    monkeypatch.setattr(growth, "STEPS", {"size": (0, 1)})
    assert run.main(["growth", "--repeats", "1"]) == 2
    assert "growth at 64 pixels is left out: size 0 could not be measured" in capsys.readouterr().err
