"""Laws of the measurement of growth: memory that was held is seen, and each larger step is set beside the smallest."""

import pytest
from helpers.waiting import wait_until

from xaae.benchmarks import growth, run
from xaae.experiment.settings import PRESETS


def test_the_most_that_was_held_is_told_though_it_was_given_back(monkeypatch):
    looks = []
    monkeypatch.setattr(
        growth, "memory_held", lambda pid, field: looks.append(pid) or (9e8 if len(looks) == 2 else 1e8)
    )
    with growth.watched_memory() as held:
        wait_until(lambda: len(looks) > 3)
    assert held["megabytes"] == 900


def test_where_the_system_says_nothing_the_peak_of_the_process_is_told(monkeypatch):
    monkeypatch.setattr(growth, "memory_held", lambda pid, field: 0)
    with growth.watched_memory() as held:
        pass
    assert held["megabytes"] > 50


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


@pytest.mark.parametrize("number", [2, PRESETS["smoke"]["items"] + 2])
def test_all_items_that_were_drawn_are_trained_on_and_as_many_are_seen(monkeypatch, number):
    said = []
    monkeypatch.setattr("xaae.main.main", lambda args, **_: said.extend(args))
    growth.train_on(number)
    asked = dict(zip(said[1::2], said[2::2], strict=False))
    assert asked["--items"] == str(number)
    assert growth.SEEN - number < int(asked["--epochs"]) * number <= growth.SEEN


@pytest.mark.parametrize("what", ["size", "dims", "samples"])
def test_a_step_of_every_sort_is_taken(what):
    found = growth.measure(what, {"size": 16, "dims": 2, "samples": 64}[what])
    assert found["seconds"] > 0 and found["megabytes"] > 50


def test_what_cannot_be_measured_is_told_and_the_rest_goes_on(monkeypatch, capsys, warm):
    monkeypatch.setattr(growth, "subprocess", warm)
    monkeypatch.setattr(growth, "STEPS", {"size": (0, 1)})
    assert run.main(["growth", "--repeats", "1"]) == 2
    said = capsys.readouterr().err
    assert "growth at 64 pixels is left out: size 0 could not be measured" in said and "choose one from" in said
