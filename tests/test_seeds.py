"""Laws of randomness by name: every part that draws has a stream of its own, whose numbers stay what they are."""

import ast
from collections import defaultdict

import numpy as np
import pytest
from helpers.places import HOME
from helpers.source import product_files, tree

from xaae.experiment.seeds import STREAMS, generator

TOGETHER = {"explained items", "background"}  # `explain` and `rate` are about the same items, in one room
OWN_SEEDS = {
    "sources/synthpets.py",
    "sources/synthbeats.py",
    "audit/judged_condition.py",
    "experiment/seeds.py",
}  # longer lists


def calls(name):
    """(file, call) of every call of a function of this name in the package."""
    for path in product_files():
        for node in ast.walk(tree(path)):
            called = getattr(node, "func", None)
            if isinstance(node, ast.Call) and name in (getattr(called, "id", ""), getattr(called, "attr", "")):
                yield path.relative_to(HOME).as_posix(), node


def test_no_two_streams_draw_the_same():
    assert len(set(STREAMS.values())) == len(STREAMS)
    for seed in (0, 1, 42):
        drawn = {tuple(generator(seed, name).random(4)) for name in STREAMS}
        assert len(drawn) == len(STREAMS)


@pytest.mark.parametrize(
    ("stream", "number"), [("planting", 1), ("redraw", 2), ("starts", 3), ("probe", 7), ("audit walks", 8)]
)
def test_what_was_drawn_alone_is_drawn_as_before(stream, number):
    np.testing.assert_array_equal(generator(3, stream).random(5), np.random.default_rng([3, number]).random(5))


def test_every_stream_has_one_part_that_draws_from_it():
    rooms = defaultdict(set)
    for file, call in calls("generator"):
        if len(call.args) == 2:
            assert isinstance(call.args[1], ast.Constant) and call.args[1].value in STREAMS, file
            rooms[call.args[1].value].add(file)
    assert set(rooms) == set(STREAMS)
    shared = {name: files for name, files in rooms.items() if len(files) > 1}
    assert set(shared) <= TOGETHER and all(len({f.split("/")[0] for f in files}) == 1 for files in shared.values())


def test_no_part_makes_a_stream_of_its_own_number():
    numbered = [file for file, call in calls("default_rng") if call.args and isinstance(call.args[0], ast.List)]
    assert set(numbered) <= OWN_SEEDS
