"""The check of chance: what separates groups of unbiased models and names the factor is counted, noise is not."""

from types import SimpleNamespace

import numpy as np
import pytest

from xaae.audit import chance
from xaae.audit.arms import Condition
from xaae.audit.chance import ChanceExplanation
from xaae.audit.verdict import Thresholds

PERFECT = {"spearman": 0.99, "span": 1.0, "p_random": 0.01, "non_trivial": 1.0}


def judged_with(seeds):
    """As much of a JudgedCondition as the check reads."""
    rng = lambda *key: np.random.default_rng(len(str(key)))  # noqa: E731
    return SimpleNamespace(questions={"irrelevant": list(range(seeds))}, rng=rng, condition=Condition("rotation"))


def explained(name, shift, named, scores=PERFECT):
    """An explanation of six seeds with 20 items; the first three seeds differ from the others by `shift`."""
    rng = np.random.default_rng(3)
    features = [rng.normal(0, 1, (20, 6)) + shift * (i < 3) for i in range(6)]
    about = {"named": named, "naming": "a sentence", "scores": scores}
    return ChanceExplanation(name, "aae", features, lambda group: about)


@pytest.fixture
def counted(monkeypatch):
    """Of an explanation: how often it got REVEALS and passed detection."""

    def count(explanation):
        monkeypatch.setattr(chance, "_explained_by_maps", lambda *_: [explanation])
        monkeypatch.setattr(chance, "_explained_by_order", lambda *_: [])
        monkeypatch.setattr(chance, "_explained_by_walks", lambda *_: [])
        monkeypatch.setattr(chance, "_explained_by_scans", lambda *_: [])
        judged = judged_with(6)
        return chance.chance_numbers(judged.condition, chance.chance_cells(judged, {}), Thresholds())

    return count


def test_every_way_to_part_six_seeds_is_asked_once():
    pairs = list(chance.seed_halves(6))
    assert len(pairs) == 10 == len({frozenset(first) for first, _ in pairs})
    assert all(sorted(first + second) == list(range(6)) for first, second in pairs)


def test_fewer_than_six_seeds_are_not_asked():
    assert chance.chance_cells(judged_with(5), {}) is None


def test_noise_is_never_revealed_however_well_it_is_named(counted):
    found = counted(explained("walk:noise", 0.0, True))
    assert found["pairs"] == 10 and found["reveals"] == {"walk:noise/aae": 0} == found["detected"]


def test_seeds_that_differ_and_name_the_factor_are_a_false_reveals(counted):
    found = counted(explained("walk:real", 4.0, True))
    assert found["reveals"]["walk:real/aae"] == found["detected"]["walk:real/aae"] == 1  # the pair (0, 1, 2) alone
    assert found["highest"]["walk:real/aae"] > 0.95


@pytest.mark.parametrize(("named", "scores"), [(False, PERFECT), (True, PERFECT | {"span": 0.1})])
def test_detection_alone_is_no_reveals(counted, named, scores):
    found = counted(explained("walk:a", 4.0, named, scores))
    assert found["detected"] == {"walk:a/aae": 1} and found["reveals"] == {"walk:a/aae": 0}


def test_a_map_without_a_place_names_nothing_and_with_one_by_its_strongest_places():
    place = np.zeros((8, 8), bool)
    place[:3, :3] = True
    inside = np.broadcast_to(place.astype(np.float32), (4, 2, 8, 8))
    about = {"thresholds": Thresholds(), "condition": Condition("tag"), "visible": lambda rows: rows}
    local = SimpleNamespace(place=place, **about)
    rows = np.ones(4, bool)
    assert chance.name_by_pointing(local, [{"with": inside}], rows)["named"] is True
    assert chance.name_by_pointing(local, [{"with": inside[:, :, ::-1, ::-1]}], rows)["named"] is False
    assert chance.name_by_pointing(SimpleNamespace(place=None), [], rows)["named"] is None
