"""The check of chance: what separates groups of unbiased models and names the factor is counted, noise is not."""

from types import SimpleNamespace

import numpy as np
import pytest

from xaae.audit import chance
from xaae.audit.verdict import Thresholds

PERFECT = {"spearman": 0.99, "span": 1.0, "p_random": 0.01, "non_trivial": 1.0}


def case_with(seeds):
    """As much of a Case as the check reads."""
    folders = {"irrelevant": [f"seed-{i}" for i in range(seeds)]}
    rng = lambda *key: np.random.default_rng(len(str(key)))  # noqa: E731
    return SimpleNamespace(folders=folders, rng=rng, condition=SimpleNamespace(key="rotation"))


def explained(name, shift, named, scores=PERFECT):
    """An explanation of six seeds with 20 items; the first three seeds differ from the others by `shift`."""
    rng = np.random.default_rng(3)
    features = [rng.normal(0, 1, (20, 6)) + shift * (i < 3) for i in range(6)]
    return name, "aae", features, lambda group: {"named": named, "naming": "told", "scores": scores}


@pytest.fixture
def counted(monkeypatch):
    """Of explanations: how often each got REVEALS and passed detection."""

    def count(*explanations):
        monkeypatch.setattr(chance, "of_maps", lambda *_: explanations)
        monkeypatch.setattr(chance, "of_sorted", lambda *_: [])
        monkeypatch.setattr(chance, "of_walks", lambda *_: [])
        case = case_with(6)
        return chance.told(case, chance.chance(case, {}), Thresholds())

    return count


def test_every_way_to_part_six_seeds_is_asked_once():
    pairs = list(chance.seed_halves(6))
    assert len(pairs) == 10 == len({frozenset(first) for first, _ in pairs})
    assert all(sorted(first + second) == list(range(6)) for first, second in pairs)


def test_fewer_than_six_seeds_are_not_asked():
    assert chance.chance(case_with(5), {}) is None


def test_noise_is_never_revealed_however_well_it_is_named(counted):
    found = counted(explained("walk:noise", 0.0, True))
    assert found["pairs"] == 10 and found["reveals"] == {"walk:noise/aae": 0} == found["detected"]


def test_seeds_that_differ_and_name_the_factor_are_a_false_reveals(counted):
    found = counted(explained("walk:real", 4.0, True))
    assert found["reveals"]["walk:real/aae"] == found["detected"]["walk:real/aae"] == 1  # the pair (0, 1, 2) alone
    assert found["highest"]["walk:real/aae"] > 0.95


def test_detection_alone_is_no_reveals(counted):
    nameless, weak = (
        counted(explained("walk:a", 4.0, False)),
        counted(explained("walk:b", 4.0, True, PERFECT | {"span": 0.1})),
    )
    assert nameless["detected"] == {"walk:a/aae": 1} and nameless["reveals"] == {"walk:a/aae": 0}
    assert weak["detected"] == {"walk:b/aae": 1} and weak["reveals"] == {"walk:b/aae": 0}


def test_a_map_without_a_place_names_nothing_and_with_one_by_its_strongest_places():
    place = np.zeros((8, 8), bool)
    place[:3, :3] = True
    inside = np.broadcast_to(place.astype(np.float32), (4, 2, 8, 8))
    bias = SimpleNamespace(whole=lambda: (0.0, 1.0))
    about = dict(asked=Thresholds(), bias=bias, condition=SimpleNamespace(factor="tag"))
    local = SimpleNamespace(place=place, probe=SimpleNamespace(values=np.ones(4)), **about)
    rows = np.ones(4, bool)
    assert chance.pointed(local, [{"with": inside}], rows)["named"] is True
    assert chance.pointed(local, [{"with": inside[:, :, ::-1, ::-1]}], rows)["named"] is False
    assert chance.pointed(SimpleNamespace(place=None), [], rows)["named"] is None
