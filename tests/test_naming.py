"""Laws of naming: what a model plants along a dimension is named, what it does not is not, and chance rarely is."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.frames import drawn, warp
from torch import nn

from xaae.factors.measuring import measure_all
from xaae.factors.meters import METERS, meters_for
from xaae.factors.picture_plants import blur, rotate
from xaae.latent_nav import naming, walks
from xaae.latent_nav.directions import random_directions, scaled

SIZE, DIMS, ALPHA = 48, 16, walks.alphas(7)


def texture():
    """One picture (1, 3, 48, 48) of warm blots between 0.3 and 0.7 that looks like no turn or shift of itself."""
    noise = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(3))
    noise = F.interpolate(0.25 * noise + 0.75 * noise[:, :1], (SIZE, SIZE), mode="bicubic")
    return (0.3 + 0.4 * noise + torch.tensor([0.06, 0, -0.06]).view(1, 3, 1, 1)).clamp(0.3, 0.7)


def placed(x, right, zoom):
    """Pictures moved to the right by a share (B,) of the side and grown `zoom` (B,) times, mirrored at the edge."""
    nought = torch.zeros_like(right)
    matrix = torch.stack([1 / zoom, nought, -2 * right, nought, 1 / zoom, nought], 1).view(-1, 2, 3)
    return F.grid_sample(x, F.affine_grid(matrix, list(x.shape), align_corners=False), "bilinear", "reflection", False)


PLANT = {  # what one unit of a dimension does
    "turn": lambda x, t: rotate(x, 15 * t, "reflect"),
    "light": lambda x, t: x + 0.04 * t.view(-1, 1, 1, 1),
    "tint": lambda x, t: x + 0.03 * t.view(-1, 1, 1, 1) * torch.tensor([1.0, 0, -1]).view(1, 3, 1, 1),
    "blur": lambda x, t: blur(x, (4 + t).clamp_min(0)),
    "move": lambda x, t: placed(x, 0.025 * t, 1 + 0 * t),
    "grow": lambda x, t: placed(x, 0 * t, 1 + 0.03 * t),
}


class Toy(nn.Module):
    """Draws the texture with one thing planted by each of the first dimensions; the other dimensions do nothing."""

    def __init__(self, *names):
        super().__init__()
        self.plants = [PLANT[name] for name in names]
        self.picture = nn.Parameter(texture())

    def encode(self, x):
        return x.new_zeros(len(x), DIMS)

    def decode(self, z):
        x = self.picture.expand(len(z), -1, -1, -1)
        for dimension, plant in enumerate(self.plants):
            x = plant(x, z[:, dimension])
        return x.clamp(0, 1)

    def classify(self, x):
        return x.new_zeros(len(x), 2)


def codes(n=200, seed=0):
    return np.random.default_rng(seed).standard_normal((n, DIMS)).astype(np.float32)


def axis(i):
    return scaled(f"e{i}", np.eye(DIMS)[i], codes())


def named(found):
    return [row["meter"] for row in found if row["named"]]


@pytest.fixture(scope="module")
def planted():
    """(model, spreads, null) of a toy in which each factor has a dimension."""
    model, rng = Toy(*PLANT), np.random.default_rng(0)
    spread = naming.spreads(model, codes(), METERS, rng)
    drawn = random_directions(40, codes(), rng)
    return model, spread, naming.null(model, torch.from_numpy(codes()[:5]), drawn, walks.alphas(3), METERS)


def table_of(planted, direction):
    model, spread, chance = planted
    start = torch.from_numpy(codes()[:6])
    frames = walks.decode_codes(model, walks.move(start, direction, ALPHA))
    found = naming.naming_table(measure_all(frames, METERS), ALPHA, spread, chance, METERS, np.random.default_rng(1))
    return naming.checked_names(found, frames, METERS)


NAMES = {  # factor -> the meter that names it, others that it moves by its nature
    "turn": ("rotation", set()),
    "light": ("luminance", set()),
    "tint": ("warmth", {"hue", "saturation"}),
    "blur": ("sharpness", {"contrast"}),
    "move": ("x", set()),
    "grow": ("scale", set()),
}


@pytest.mark.parametrize("factor", PLANT)
def test_the_factor_planted_along_a_direction_is_named(planted, factor):
    own, also = NAMES[factor]
    found = table_of(planted, axis(list(PLANT).index(factor)))
    assert own in named(found) and set(named(found)) <= {own} | also
    assert [r["named"] for r in found] == sorted((r["named"] for r in found), reverse=True)
    row = next(r for r in found if r["meter"] == own)
    assert row["words"] in naming.naming_sentence(found, METERS) and abs(row["spearman"]) > 0.95
    assert row["change_ci"][0] <= row["change"] <= row["change_ci"][1]


def test_a_direction_that_changes_nothing_is_given_no_name(planted):
    found = table_of(planted, axis(DIMS - 1))
    assert not named(found) and all(row["change"] == row["spearman"] == 0 and row["p"] == 1 for row in found)
    assert naming.naming_sentence(found, METERS) == "changes no factor that the meters know beyond chance"


def test_the_amount_said_is_the_amount_planted():
    model = Toy("turn", "light")
    walk = walks.decode_codes(model, walks.move(torch.zeros(2, DIMS), axis(0), ALPHA))
    change = naming.meter_changes(measure_all(walk, METERS), METERS)
    assert change["rotation"] == pytest.approx(90 * axis(0).scale, abs=2)
    walk = walks.decode_codes(model, walks.move(torch.zeros(2, DIMS), axis(1), ALPHA))
    assert naming.meter_changes(measure_all(walk, METERS), METERS)["luminance"] == pytest.approx(
        0.24 * axis(1).scale, abs=0.01
    )


def test_a_change_that_no_random_direction_shows_at_all_is_named():
    """Random directions at right angles to the only one that turns: none turns by as much as a degree."""
    model, rng, start = Toy("turn", "light"), np.random.default_rng(0), torch.from_numpy(codes()[:3])
    meters = {name: METERS[name] for name in ("rotation", "luminance")}
    drawn = [scaled(d.name, d.vector * (np.arange(DIMS) > 0), codes()) for d in random_directions(30, codes(), rng)]
    chance = naming.null(model, start, drawn, walks.alphas(2), meters)
    assert not chance["rotation"].any()
    readings = measure_all(walks.decode_codes(model, walks.move(start, axis(0), ALPHA)), meters)
    found = naming.naming_table(readings, ALPHA, naming.spreads(model, codes(), meters, rng), chance, meters, rng)
    assert named(found) == ["rotation"]


# ---- the parts --------------------------------------------------------------------------------------------------


def test_the_spread_of_an_absolute_meter_is_its_deviation_over_the_decoded_items():
    model, z = Toy("light", "tint"), codes(600)
    found = naming.spreads(model, z, {n: METERS[n] for n in ("luminance", "warmth")}, np.random.default_rng(0), 600)
    readings = measure_all(walks.decode_codes(model, torch.from_numpy(z)[:, None]), METERS)
    for name, spread in found.items():
        assert spread == pytest.approx(readings[name].std(), rel=0.08)


def test_a_relative_meter_has_a_spread_like_the_others():
    """One unit turns by 15 degrees, so codes of unit variance differ by that."""
    meters = {"rotation": METERS["rotation"]}
    found = naming.spreads(Toy("turn", "light"), codes(600), meters, np.random.default_rng(0), 300)
    assert found["rotation"] == pytest.approx(15, rel=0.15)


def test_the_null_is_the_median_over_starts_of_each_direction_alone():
    model, start = Toy("light", "turn"), torch.from_numpy(codes()[:3])
    drawn, meters = random_directions(7, codes(), np.random.default_rng(0)), {"luminance": METERS["luminance"]}
    whole = naming.null(model, start, drawn, walks.alphas(3), meters)["luminance"]
    alone = [naming.null(model, start, [d], walks.alphas(3), meters)["luminance"][0] for d in drawn]
    np.testing.assert_allclose(whole, alone, atol=1e-6)
    expected = [6 * 0.04 * d.scale * d.vector[0] for d in drawn]
    np.testing.assert_allclose(whole, expected, atol=5e-3)


def test_an_angle_is_followed_from_frame_to_frame_the_short_way_between_two():
    for along, turned in (([0.0, 100, 190], 190), ([0.0, 190], -170), ([0.0, 100, -170], 190)):
        readings = {"rotation": np.array([along]), "luminance": np.array([along])}
        found = naming.meter_changes(readings, METERS)
        assert found["rotation"] == [turned] and found["luminance"] == [along[-1]]


def steady(change, starts=6, frames=7):
    """Readings (S, T) that rise evenly by `change`, each start a little more than the last."""
    ends = change * (1 + 0.01 * np.arange(starts))
    return np.linspace(0, ends, frames).T


def tabled(changes, chance, spread=None, meters=None, seed=0):
    """The table of evenly rising readings {meter: change}."""
    meters = meters or {name: METERS[name] for name in changes}
    readings = {name: steady(change) for name, change in changes.items()}
    spread = spread or dict.fromkeys(changes, 1.0)
    return naming.naming_table(readings, ALPHA, spread, chance, meters, np.random.default_rng(seed))


@pytest.mark.parametrize("meter", ["scale", "x", "y"])
def test_a_size_or_place_is_named_only_where_it_accounts_for_what_changes(meter):
    """Two other pets match best somewhere too, but moving one of them back does not make it the other."""
    first, other = drawn(16, 64, 0), drawn(16, 64, 1)
    rows = [{"meter": name, "named": True, "times_chance": times} for name, times in ((meter, 9.0), ("luminance", 2.0))]
    moved = warp(first, **{"scale": {"scale": 1.2}, "x": {"right": 4}, "y": {"up": -4}}[meter])
    real = naming.checked_names(rows, torch.stack([first, first, moved], 1), METERS)
    assert named(real) == [meter, "luminance"] and real[0]["accounts"] > 0.9
    false = naming.checked_names(rows, torch.stack([first, (first + other) / 2, other], 1), METERS)
    assert named(false) == ["luminance"]
    assert named(naming.checked_names(rows, torch.stack([first, moved], 1), METERS, naming.Rule(accounts=1.1))) == [
        "luminance"
    ]


@pytest.mark.parametrize("seed", range(5))
def test_having_looked_at_all_meters_never_makes_chance_less_likely(seed):
    rng = np.random.default_rng(seed)
    names = list(METERS)
    size = rng.uniform(0.01, 30, len(names))
    chance = {n: s * rng.standard_normal(30) for n, s in zip(names, size, strict=True)}
    found = tabled({n: s * 2 * rng.standard_normal() for n, s in zip(names, size, strict=True)}, chance)
    assert all(row["p_any"] >= row["p"] for row in found) and any(row["p_any"] > row["p"] for row in found)


def test_by_chance_something_is_named_in_one_walk_of_twenty():
    rng, names = np.random.default_rng(0), ["luminance", "contrast"]
    hits = 0
    for _ in range(200):
        chance = {n: rng.standard_normal(59) for n in names}
        found = tabled({n: rng.standard_normal() for n in names}, chance, dict.fromkeys(names, 0.01))
        hits += bool(named(found))
    assert 0.01 <= hits / 200 <= 0.09


@pytest.mark.parametrize(
    ("short", "row"),
    [
        ("nothing", {}),
        ("spreads", {"spreads": 0.74}),
        ("chance", {"p_any": 0.051}),
        ("order", {"spearman": -0.79}),
    ],
)
def test_every_clause_of_the_rule_counts(short, row):
    whole = {"spreads": 0.75, "p_any": 0.05, "spearman": -0.8, "change_ci": (-3.0, -1.0)} | row
    assert naming.is_named(whole) == (short == "nothing")
    assert naming.is_named(whole, naming.Rule(0.7, 0.06, 0.7))


def test_a_change_whose_interval_holds_nothing_at_all_is_not_named():
    whole = {"spreads": 9.0, "p_any": 0.01, "spearman": 1.0}
    assert [naming.is_named(whole | {"change_ci": ends}) for ends in ((1, 2), (-2, -1), (-1, 2), (0, 2))] == [
        1,
        1,
        0,
        0,
    ]


def test_a_meter_that_confirms_another_is_never_named():
    second = replace(METERS["rotation"], name="second", confirms="rotation")
    meters = {"rotation": METERS["rotation"], "second": second, "contrast": METERS["contrast"]}
    rng = np.random.default_rng(0)
    chance = {name: rng.standard_normal(60) for name in meters}
    found = tabled({"rotation": 0.5, "second": 90.0, "contrast": 30.0}, chance, meters=meters)
    assert named(found) == ["contrast"] and "second" not in naming.naming_sentence(found, meters)
    row = next(r for r in found if r["meter"] == "second")
    assert row["change"] == pytest.approx(92.25) and row["p"] == pytest.approx(1 / 61)
    loud = chance | {"second": 1e6 * chance["second"]}
    again = tabled({"rotation": 0.5, "second": 90.0, "contrast": 30.0}, loud, meters=meters)
    assert [r["p_any"] for r in again if r["meter"] == "contrast"] == [r["p_any"] for r in found if r["named"]]


def test_a_meter_that_never_changes_gives_numbers_and_no_name():
    names = ["luminance", "hue"]
    chance = {"luminance": np.random.default_rng(0).standard_normal(40), "hue": np.zeros(40)}
    found = tabled({"luminance": 9.0, "hue": 0.0}, chance, {"luminance": 1.0, "hue": 0.0})
    numbers = [v for row in found for v in (*row["change_ci"], *(row[k] for k in row if isinstance(row[k], float)))]
    assert np.isfinite(numbers).all() and named(found) == names[:1]
    still = tabled(dict.fromkeys(names, 0.0), dict.fromkeys(names, np.zeros(40)), dict.fromkeys(names, 0.0))
    assert not named(still) and all(row["p"] == row["p_any"] == 1 and row["spreads"] == 0 for row in still)


@pytest.mark.parametrize(
    ("change", "words"),
    [(88, "turns left by 88 degrees [81, 95], p = 0.01"), (-88, "turns right by 88 degrees [81, 95], p = 0.01")],
)
def test_the_sentence_tells_amount_interval_and_chance(change, words):
    ends = tuple(sorted((np.sign(change) * 81.2, np.sign(change) * 95.4)))
    turn = {"meter": "rotation", "words": METERS["rotation"].say(change), "change_ci": ends, "p_any": 0.0123}
    light = {"meter": "luminance", "words": METERS["luminance"].say(-0.2), "change_ci": (-0.3, -0.1), "p_any": 0.049}
    rows = [turn | {"named": True}, light | {"named": False}]
    assert naming.naming_sentence(rows, METERS) == f"{words}; no other factor beyond chance"
    rows[1]["named"] = True
    both = f"{words}; gets darker by 0.20 [0.10, 0.30], p = 0.05; no other factor beyond chance"
    assert naming.naming_sentence(rows, METERS) == both
    assert naming.naming_sentence([], METERS).startswith("changes no factor")
    rows = [turn | {"named": True, "largest_step_share": 0.9}]
    assert naming.naming_sentence(rows, METERS).startswith(words.replace(", p =", ", in one jump, p ="))


def test_grey_pictures_are_named_by_the_meters_they_have():
    rng, meters = np.random.default_rng(0), meters_for(1)
    chance = {name: rng.standard_normal(40) for name in meters}
    found = tabled({name: 9.0 * (name == "contrast") for name in meters}, chance, meters=meters)
    assert named(found) == ["contrast"] and {row["meter"] for row in found} == set(meters)
