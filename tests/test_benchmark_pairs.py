"""Laws of the benchmarks: both ways are called as often, in turns; the JSON says what was measured; gaps are told; no
run outlives the table that it is made for."""

import json
import subprocess
import sys
from functools import partial
from pkgutil import resolve_name

import pytest
import torch

from xaae.benchmarks import compile_speed, pairs, run, step_profile
from xaae.benchmarks.pairs import compare
from xaae.benchmarks.seeds import ENDING_WITH_PARENT


@pytest.fixture
def clock(monkeypatch):
    """Seconds that calls say they took, in place of real ones: a call is a function that adds to them."""
    now = [0.0]
    monkeypatch.setattr(pairs.time, "perf_counter", lambda: now[0])
    return now


def test_a_ratio_is_that_of_neighbours_and_each_way_comes_first_in_turn(clock):
    calls = []

    def take(name, seconds):
        calls.append(name)
        clock[0] += seconds * (1 + len(calls) // 4)  # the machine gets slower

    found = compare("one", "a / b", partial(take, "a", 3.0), partial(take, "b", 1.0), repeats=4)
    assert calls == ["a", "b"] + ["b", "a", "a", "b"] * 2
    assert found.repeats == 4 and found.ratio_min <= found.ratio_median <= found.ratio_max
    assert found.ratio_median == pytest.approx(3, rel=0.35)


def test_json_holds_each_ratio_with_its_spread(tmp_path, monkeypatch):
    seen = []

    def comparison(size, precision, repeats):
        seen.append((size, precision in ("fp32", "bf16"), repeats))
        return [compare(f"made-up-{size}", "this / that", lambda: None, lambda: None, repeats)]

    monkeypatch.setattr(run, "COMPARISONS", {"made-up": comparison})
    assert run.main(["--size", "32", "64", "--repeats", "5", "--json", str(tmp_path / "x.json")]) == 0
    assert seen == [(32, True, 5), (64, True, 5)]
    rows = json.loads((tmp_path / "x.json").read_text())["comparisons"]
    assert [row["name"] for row in rows] == ["made-up-32", "made-up-64"]
    assert all({"ratio_median", "ratio_min", "ratio_max", "repeats"} <= set(row) for row in rows)


@pytest.mark.parametrize("name", run.COMPARISONS)
def test_every_comparison_is_there_though_it_is_loaded_late(name):
    (place,) = run.COMPARISONS[name].args
    assert callable(resolve_name(f"xaae.benchmarks.{place}")) and f"\n{name} " in run.__doc__


def test_what_is_not_installed_is_left_out_with_a_word(monkeypatch, capsys):
    def missing(size, precision, repeats):
        raise ImportError("No module named 'pythae'")

    monkeypatch.setattr(run, "COMPARISONS", {"pythae": missing})
    assert run.main([]) == 2
    assert "pip install pythae" in capsys.readouterr().err


def test_the_shares_of_a_training_step_are_of_the_whole():
    found = {c.name: c for c in step_profile.where(32, "fp32", 1)}
    assert sum(c.ratio_median for c in found.values()) == pytest.approx(1)
    assert found["where-32-convolutions"].ratio_median == max(c.ratio_median for c in found.values())
    assert len({c.theirs for c in found.values()}) == 1


def test_each_network_is_compiled_and_compared(monkeypatch):
    made, compiler, seconds = [], torch.compile, iter([9.0, 3.0])
    monkeypatch.setattr(torch, "compile", lambda network: made.append(network) or compiler(network, backend="eager"))
    monkeypatch.setattr(compile_speed, "BATCH", 4)
    monkeypatch.setattr(compile_speed, "NETWORKS", {"plain code": compile_speed.NETWORKS["plain code"]})
    monkeypatch.setattr(compile_speed, "seconds_of", lambda call: call() or next(seconds))
    first, later = compile_speed.compiling(16, "fp32", 2)
    assert len(made) == 1 and (first.repeats, later.repeats) == (1, 2)
    assert (first.ours, first.theirs, first.ratio_median) == (9.0, 3.0, 3.0)  # the pass that compiles comes first


def ending_with_parent(script, text):
    """A process that runs the text of a script with one argument, and ends with whoever holds its standard input."""
    script.write_text(text)
    command = [sys.executable, "-c", ENDING_WITH_PARENT, str(script), "told"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_run_ends_when_what_made_it_is_gone(tmp_path):
    waiting = "import sys, threading; print(*sys.argv[1:], flush=True); threading.Event().wait()"
    with ending_with_parent(tmp_path / "waits.py", waiting) as process:
        assert process.stdout.readline() == "told\n" and process.poll() is None
        process.stdin.close()
        assert process.wait() == 1
    with ending_with_parent(tmp_path / "fails.py", "raise SystemExit(3)") as process:
        assert process.wait() == 3
