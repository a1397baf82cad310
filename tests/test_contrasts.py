"""Laws of a contrast: whatever the number of classes, directions, scores and readings speak of the same two sides."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from xaae import model as models
from xaae.audit import arm_walks, walk_cells
from xaae.audit.arms import Condition
from xaae.audit.opened_arm import OpenedArm
from xaae.data import plant
from xaae.factors.bias import make_bias
from xaae.factors.meters import METERS
from xaae.latent_nav import counterfactual, directions
from xaae.latent_nav.contrasts import contrast
from xaae.latent_nav.encoded_run import EncodedRun
from xaae.latent_nav.walk_results import walk_directions
from xaae.latent_nav.walks import Walk
from xaae.sources.items import ArrayItems
from xaae.training.trained_run import TrainedRun

D, SIDE = 6, 16
STRAIGHT = ["lda", "logistic", "head", "means", "severity"]
SEVERAL = [(2, ""), (3, ""), (4, ""), (3, "b:a"), (4, "c:b"), (4, "d:a")]


def classes_of(k):
    return list("abcd"[:k])


def clusters(k, per_class=40, seed=0):
    """(z (N, D), labels (N,), head (K, D)): each class far out along a dimension of its own, and a head that knows."""
    labels = np.tile(classes_of(k), per_class)
    z = np.random.default_rng(seed).standard_normal((len(labels), D)) + 5 * np.eye(k, D)[np.arange(len(labels)) % k]
    return z.astype(np.float32), labels, np.eye(k, D, dtype=np.float32)


# ---- directions and the score -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "text"), SEVERAL)
def test_every_direction_and_the_score_grow_from_the_first_side_to_the_last(k, text):
    z, labels, head = clusters(k)
    sides = contrast(text, classes_of(k))
    first, last = sides.rows(labels)
    score = sides.score(z @ head.T)
    assert score[last].mean() > 3 and score[first].mean() < -3
    for direction in directions.fit_directions(sides.evidence(z, labels, head), STRAIGHT):
        along = z @ direction.vector
        assert along[last].mean() - along[first].mean() > 4, direction.name
        moved = sides.score((z + direction.scale * direction.vector) @ head.T)
        assert (moved[[*first, *last]] > score[[*first, *last]]).all(), direction.name


@pytest.mark.parametrize(("k", "text"), SEVERAL[1:])
def test_other_classes_change_no_direction(k, text):
    z, labels, head = clusters(k)
    sides = contrast(text, classes_of(k))
    far, other = z.copy(), ~sides.holds(labels)
    far[other] = 100 * np.random.default_rng(1).standard_normal((other.sum(), D))
    fits = [directions.fit_directions(sides.evidence(codes, labels, head), [*STRAIGHT, "pca:2"]) for codes in (z, far)]
    for one, same in zip(*fits, strict=True):
        np.testing.assert_array_equal(one.vector, same.vector)
        assert one.scale == same.scale


@pytest.mark.parametrize(("k", "text"), [*SEVERAL, (4, "rest:b"), (4, "a:rest")])
def test_score_probability_and_decision_agree_and_know_no_other_class(k, text):
    sides = contrast(text, classes_of(k))
    logits = torch.randn(200, k, generator=torch.Generator().manual_seed(k))
    score, p = sides.score(logits), sides.probability(logits.softmax(-1))
    np.testing.assert_array_equal(score > 0, p > 0.5)
    np.testing.assert_allclose(p, 1 / (1 + np.exp(-score)), atol=1e-5)
    if len(sides.first) == len(sides.last) == 1:
        np.testing.assert_array_equal(score > 0, sides.favours_last(logits))
    others = [i for i, name in enumerate(sides.classes) if name not in sides.both]
    logits[:, others] += 3
    np.testing.assert_allclose(sides.score(logits), score, atol=1e-6)
    np.testing.assert_allclose(sides.probability(logits.softmax(-1)), p, atol=1e-5)


def test_two_classes_are_read_as_they_always_were():
    sides = contrast("", ["cat", "dog"])
    p = torch.randn(500, 3, 2, generator=torch.Generator().manual_seed(0)).softmax(-1).numpy()
    np.testing.assert_array_equal(sides.probability(p), p[..., 1])
    np.testing.assert_array_equal(sides.favours_last(p), p.argmax(-1) == 1)
    assert sides.target == 1 and sides.both == ("cat", "dog") and sides.opposite().tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("classes", [["10:30", "a:b:c", "x"], [":x", "a", "b:"], ["rest", "a", "b"]])
def test_any_text_is_a_class_of_a_contrast(classes):
    for first in classes:
        for last in set(classes) - {first}:
            found = contrast(f"{first}:{last}", classes)
            assert (found.first, found.last) == ((first,), (last,))
    assert contrast("", classes).both == (classes[0], classes[-1])


# ---- counterfactuals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "text"), SEVERAL[1:])
def test_counterfactuals_go_to_the_other_side(k, text):
    z, labels, head = clusters(k, per_class=6)
    sides, codes = contrast(text, classes_of(k)), torch.from_numpy(z)
    decide = lambda z: z @ torch.from_numpy(head).T  # noqa: E731
    model = SimpleNamespace(decode=lambda z: z, encode=lambda z: z, classify=decide, head=decide)
    model.parameters = lambda: iter([codes])
    found = counterfactual.counterfactual(model, codes, sides.opposite(), steps=60)
    reached = np.array(sides.classes)[decide(found.z).argmax(1).numpy()]
    first, last = sides.rows(labels)
    assert found.flipped.all() and set(reached[first]) == set(sides.last) and set(reached[last]) == set(sides.first)
    assert set(reached[~sides.holds(labels)]) <= set(sides.both)
    seen = counterfactual.in_sight(model, codes, found.z, target=sides.opposite())
    assert (np.array(sides.classes)[decide(seen.z).argmax(1).numpy()] == reached)[seen.flipped].all()


def test_for_two_classes_the_other_side_is_any_other_class():
    z = torch.from_numpy(clusters(2, per_class=10)[0])
    torch.manual_seed(0)
    model, sides = models.AAE(SIDE, 1, D, 4).eval(), contrast("", ["a", "b"])
    plain, towards = (counterfactual.counterfactual(model, z, target, steps=40) for target in (None, sides.opposite()))
    assert torch.equal(plain.z, towards.z)
    seen = [counterfactual.in_sight(model, z, plain.z, target=target) for target in (None, sides.opposite())]
    assert torch.equal(seen[0].z, seen[1].z)


# ---- a run and an audit of several classes ----------------------------------------------------------------------


@pytest.fixture(params=[2, 3, 4])
def trained(request, tmp_path):
    """A TrainedRun of so many classes, whose model has learned nothing: 24 items of each, half of them held out."""
    k = request.param
    labels = np.repeat(classes_of(k), 24)
    table = pd.DataFrame({"path": [f"{i}.png" for i in range(len(labels))], "label": labels, "group": ""})
    table["split"] = np.where(np.arange(len(labels)) % 2, "valid", "train")
    bias = make_bias(classes_of(k), factor="tag")
    items = ArrayItems(np.random.default_rng(0).random((len(labels), 3, SIDE, SIDE)))
    config = SimpleNamespace(
        classes=tuple(classes_of(k)), kind="picture", factor="tag", fill="zeros", seed=0, rate=None
    )
    config.task = "classes"
    config.arm, config.contamination, config.class_ranges = "biased", 1.0, bias.ranges
    config.random_directions, config.starts = 5, 8
    return TrainedRun(tmp_path, config, plant(table, bias), items)


@pytest.fixture
def encoded(trained):
    """It, encoded: each class far out along a dimension of its own."""
    k = len(trained.classes)
    torch.manual_seed(0)
    model = models.AAE(SIDE, 3, D, 4, classes=k).eval()
    z = np.random.default_rng(0).standard_normal((len(trained.table), D))
    z = (z + 5 * np.eye(k, D)[np.arange(len(z)) // 24]).astype(np.float32)
    meters = {name: METERS[name] for name in ("tag", "luminance")}
    sides = contrast("", trained.classes)
    return EncodedRun(trained, model, z, z[:, :k], sides, np.random.default_rng(0), meters=meters)


def test_an_audit_asks_about_items_of_both_sides_alone(trained):
    arm = OpenedArm(trained, Condition("tag"))
    x, labels = arm.held_out(100)
    assert len(x) == len(labels) == 24 and set(labels) == {trained.classes[0], trained.classes[-1]}
    assert arm.ends == (arm.bias.middles()[trained.classes[0]], arm.bias.middles()[trained.classes[-1]])
    assert len(arm.background()) == 16
    if len(trained.classes) == 2:
        rows = trained.starts(100, np.random.default_rng(0))
        torch.testing.assert_close(x, trained.upright(rows), rtol=0, atol=0)


def test_the_walks_of_an_audit_lead_from_the_first_class_to_the_last(encoded, monkeypatch):
    arm, walked = OpenedArm(encoded.trained, Condition("tag")), []
    walk = arm_walks._walk
    monkeypatch.setattr(arm_walks, "_walk", lambda *args: walked.append((args[3], args[4].target)) or walk(*args))
    question = SimpleNamespace(directions=STRAIGHT[:-2], random_directions=3, spacing="arc")
    oracle = lambda x: torch.zeros(len(x), 2)  # noqa: E731
    arrays, _ = arm_walks.walk_from_probe(encoded, arm, arm.probe_items(12), question, np.random.default_rng(0), oracle)
    (a, b), labels = (encoded.trained.classes[i] for i in (0, -1)), encoded.labels
    assert set(arrays) == {*STRAIGHT[:-2], "pca_1"} and {target for _, target in walked} == {arm.sides.target}
    same = directions.fit_directions(encoded.evidence(encoded.sides), STRAIGHT[:-2])
    for (direction, _), expected in zip(walked[:3], same, strict=True):
        np.testing.assert_array_equal(direction.vector, expected.vector)  # those of `navigate`
        along = encoded.z @ direction.vector
        if direction.name != "head":  # the model has learned nothing
            assert along[labels == b].mean() > along[labels == a].mean() + 4


def test_where_a_walk_turns_is_read_between_the_two_classes():
    """A third class that wins everywhere hides neither flip nor crossing, and makes none."""
    alpha, steps = np.linspace(-3, 3, 11), np.linspace(0, 1, 11)
    third = np.stack([0.1 * (1 - steps), 0.8 + 0 * steps, 0.1 * steps], -1)
    never = np.stack([0.9 * (1 - steps), 0.9 * steps, 0.1 + 0 * steps], -1)  # turns from the first to the second
    frames = np.zeros((2, 11, 3, 8, 8), np.float32)
    readings = {"tag": np.stack([steps, steps])}
    about = {"probability": np.stack([third, never]), "discriminator": np.zeros((2, 11))}
    walk = Walk(frames, alpha, torch.zeros(2, 11, 2), readings, **about)
    arrays = arm_walks.walk_arrays(walk, 0.0, "tag", contrast("", ["a", "b", "c"]))
    assert arrays["flips"][0] and arrays["crossing"][0] == pytest.approx(0, abs=1e-6)
    assert arm_walks.walk_arrays(walk, 0.0, "tag", contrast("a:b", ["a", "b", "c"]))["flips"][1]


def test_the_planted_boundary_lies_halfway_between_the_two_classes():
    ranges = {"a": (0.0, 0.2), "b": (0.2, 0.3), "c": (0.8, 1.0)}
    bias = make_bias(list(ranges), ranges, factor="tag")
    x_0 = torch.full((3, 3, SIDE, SIDE), 0.5)
    arm = SimpleNamespace(ends=(bias.middles()["a"], bias.middles()["c"]))
    probe = SimpleNamespace(x_0=x_0, x=x_0)
    judged = SimpleNamespace(probe=probe, meter=METERS["tag"], bias=bias, arm=arm)
    np.testing.assert_allclose(walk_cells._reading_at_boundary(judged), 0.5, atol=1e-3)


def test_navigation_starts_from_both_sides_and_reads_them(encoded):
    classes = encoded.trained.classes
    (way,) = directions.fit_directions(encoded.evidence(encoded.sides), ["lda"])
    encoded.directions, encoded.main = {"lda": way}, "lda"
    assert encoded.contrast == contrast("", classes)
    starts = encoded.starts(8)
    assert list(encoded.labels[starts]) == [classes[0], classes[-1]] * 4
    assert set(encoded.labels[encoded.starts(99, contrast("rest:a", classes))]) == set(classes)
    others, _ = encoded.nearest_others(starts, 3)
    assert (encoded.labels[others] == encoded.labels[starts][::-1][:, None]).all()
    encoded.directions["lda"] = replace(way, sides=contrast("rest:a", classes))
    across, distance = encoded.nearest_across(starts)
    assert ((encoded.labels[across] == "a") != (encoded.labels[starts] == "a")).all()
    np.testing.assert_allclose(distance, np.linalg.norm(encoded.z[across] - encoded.z[starts], axis=1), rtol=1e-5)
    encoded.directions["lda"] = way
    walk = walk_directions(encoded, starts)
    middles = encoded.trained.bias.middles()
    assert walk["planted"]["shift"] == pytest.approx(middles[classes[-1]] - middles[classes[0]], abs=0.1)
