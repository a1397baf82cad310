"""Laws of directions: each kind finds what was planted and points to the second side; contrasts, quality, stability."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from xaae.experiment.errors import InputError
from xaae.latent_nav import contrasts, directions, severity
from xaae.latent_nav.contrasts import Contrast, Evidence
from xaae.latent_nav.directions import DIRECTIONS, Direction
from xaae.latent_nav.stability import order_agreement, stability

STRAIGHT = [name for name, kind in DIRECTIONS.items() if kind.fit]
CLASSES = ["cat", "dog", "fox"]


def rng(seed=0):
    return np.random.default_rng(seed)


def cloud(shift, n=400, spread=1.0, seed=0):
    """Evidence of 2 n codes: the second side is moved by `shift` (D,), noise `spread` (D,), a head that knows it."""
    shift = np.asarray(shift, float)
    last = np.arange(2 * n) % 2 == 1
    z = rng(seed).standard_normal((2 * n, len(shift))) * spread + np.outer(last, shift)
    return Evidence(z, last, shift)


def cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


# ---- kinds ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", STRAIGHT)
def test_every_kind_finds_the_planted_axis_and_its_way(name, sign):
    found = cloud([0, 0, 3 * sign, 0, 0], n=4000)
    first = directions.fit_directions(found, [name])[0]
    assert cosine(first.vector, found.head) > 0.99 and first.kind == name
    assert np.linalg.norm(first.vector) == pytest.approx(1, abs=1e-6)
    assert first.scale == pytest.approx((found.z @ first.vector).std(), rel=1e-5)


@pytest.mark.parametrize("name", ["lda", "logistic", "head", "means", "severity"])
def test_what_the_classes_share_does_not_turn_a_direction(name):
    found = cloud([2, 2, 0], n=2000, spread=[1, 1, 5])
    (first,) = directions.fit_directions(found, [name])
    assert cosine(first.vector, found.head) > 0.99


def test_lda_takes_the_noise_into_account_and_the_means_do_not():
    found = cloud([1, 1, 0], n=4000, spread=[1, 3, 1])
    lda, means = directions.fit_directions(found, ["lda", "means"])
    assert cosine(lda.vector, np.array([1, 1 / 9, 0])) > 0.99
    assert cosine(means.vector, np.array([1.0, 1, 0])) > 0.99 > cosine(lda.vector, means.vector)


def test_principal_axes_follow_the_variance_whatever_the_classes():
    found = cloud([2, 0, 0, 0], spread=[1, 1, 5, 9])
    axes = directions.fit_directions(found, ["pca:2"])
    assert [d.name for d in axes] == ["pca_1", "pca_2"] and abs(axes[0].vector @ axes[1].vector) < 1e-5
    assert abs(axes[0].vector[3]) > 0.99 and abs(axes[1].vector[2]) > 0.99
    assert all(d.vector @ directions.means(found) >= 0 for d in axes)


def test_single_dimensions_come_by_how_well_they_tell():
    found = cloud([0, -1, 0, 3, 0])
    two = directions.fit_directions(found, ["dims:2"])
    assert [d.name for d in two] == ["dim_3", "dim_1"]
    np.testing.assert_array_equal(two[1].vector, [0, -1, 0, 0, 0])


def test_the_gradient_has_no_vector_and_the_mean_spread_for_a_step():
    (found,) = directions.fit_directions(cloud([0, 0], spread=[1, 3], n=5000), ["gradient"])
    assert found.vector is None and found.scale == pytest.approx(2, rel=0.02)


def test_directions_come_in_the_order_asked_for():
    names = [d.name for d in directions.fit_directions(cloud([3, 1, 0]), ["means", "pca:1", "lda", "dims:2"])]
    assert names == ["means", "pca_1", "lda", "dim_0", "dim_1"]


@pytest.mark.parametrize("spec", ["umap", "pca:0", "pca:two", "pca:-1", "lda:2", "", ":2"])
def test_a_direction_that_is_not_there_is_refused(spec):
    with pytest.raises(InputError, match="lda.*pca:N.*target:COLUMN"):
        directions.fit_directions(cloud([1, 1]), [spec])


def test_a_classifier_without_a_linear_head_has_no_head_direction():
    found = cloud([1, 1])
    with pytest.raises(InputError, match="no linear head"):
        directions.fit_directions(Evidence(found.z, found.last), ["head"])


# ---- contrasts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("", ("cat",), ("fox",)),
        ("cat:dog", ("cat",), ("dog",)),
        ("fox:cat", ("fox",), ("cat",)),
        ("rest:dog", ("cat", "fox"), ("dog",)),
        ("dog:rest", ("dog",), ("cat", "fox")),
    ],
)
def test_a_contrast_says_which_classes_it_sets_apart(text, first, last):
    found = contrasts.contrast(text, CLASSES)
    assert (
        found == Contrast(first, last, tuple(CLASSES)) and str(found) == f"{' or '.join(first)} to {' or '.join(last)}"
    )


@pytest.mark.parametrize("text", ["cat:cow", "cow:rest", "cat", "cat:", ":cat", "cat:cat", "rest:rest", "cat:dog:fox"])
def test_a_contrast_that_makes_no_sense_is_refused(text):
    with pytest.raises(InputError, match="FROM:TO"):
        contrasts.contrast(text, CLASSES)


@pytest.mark.parametrize(("text", "head"), [("cat:fox", [-1, 0, 1]), ("rest:dog", [-0.5, 1, -0.5])])
def test_evidence_is_of_the_classes_of_the_contrast_alone(text, head):
    labels = np.array(CLASSES * 4)
    sides = contrasts.contrast(text, CLASSES)
    found = sides.evidence(np.arange(12.0)[:, None], labels, np.eye(3))
    kept = np.isin(labels, sides.first + sides.last)
    np.testing.assert_array_equal(found.z[:, 0], np.flatnonzero(kept))
    np.testing.assert_array_equal(found.last, np.isin(labels[kept], sides.last))
    np.testing.assert_allclose(found.head, head)
    assert sides.evidence(np.zeros((12, 1)), labels).head is None


# ---- away, targets, random --------------------------------------------------------------------------------------


def unit(*vector):
    return directions.scaled("u", np.array(vector, float), np.eye(len(vector)))


def test_away_is_at_right_angles_to_all_and_the_nearest_such():
    z, others = rng().standard_normal((300, 6)) * np.arange(1, 7), [unit(*v) for v in rng(1).standard_normal((3, 6))]
    start = directions.scaled("lda", rng(2).standard_normal(6), z, "lda")
    found = directions.away(start, others, z)
    assert max(abs(found.vector @ o.vector) for o in others) < 1e-6 and (found.name, found.kind) == ("lda", "lda")
    assert np.linalg.norm(found.vector) == pytest.approx(1) and found.scale == pytest.approx((z @ found.vector).std())
    lost = np.linalg.lstsq(np.stack([o.vector for o in others], 1), start.vector, rcond=None)[0]
    rest = start.vector - np.stack([o.vector for o in others], 1) @ lost
    assert cosine(found.vector, rest) == pytest.approx(1)


def test_away_of_what_is_at_right_angles_already_changes_nothing():
    z = rng().standard_normal((50, 3))
    np.testing.assert_allclose(directions.away(unit(1, 0, 0), [unit(0, 1, 0)], z).vector, [1, 0, 0], atol=1e-6)


def test_naming_a_direction_twice_takes_no_more_away():
    z, others = rng().standard_normal((50, 4)), [unit(1, 1, 0, 0), unit(2, 1, 1, 0)]
    once, twice = (directions.away(unit(1, 2, 3, 4), o, z) for o in (others, [*others, others[0]]))
    np.testing.assert_allclose(twice.vector, once.vector, atol=1e-5)


def test_nothing_left_is_said():
    z = rng().standard_normal((50, 3))
    with pytest.raises(InputError, match="Nothing is left of u away from u, u"):
        directions.away(unit(1, 1, 0), [unit(1, 0, 0), unit(0, 1, 0)], z)


def test_along_a_target_leaves_missing_numbers_out():
    z = rng().standard_normal((600, 5))
    age = z @ [0, 3, 0, -4, 0] + 50 + 0.1 * rng(1).standard_normal(600)
    age[::3], age[1] = np.nan, np.inf
    found = directions.along_target("age", z, age)
    assert cosine(found.vector, np.array([0, 3, 0, -4, 0])) > 0.99 and found.name == "target_age"


@pytest.mark.parametrize("values", [np.full(9, 4.0), np.full(9, np.nan), np.r_[1.0, 2.0, np.full(7, np.nan)]])
def test_a_target_of_less_than_two_numbers_is_refused(values):
    with pytest.raises(InputError, match="'age'"):
        directions.along_target("age", rng().standard_normal((9, 2)), values)


def test_random_directions_are_the_same_for_the_same_generator_and_fill_the_sphere():
    z = cloud([1, 1, 0], spread=[1, 2, 3]).z
    a, b = (directions.random_directions(2000, z, rng(1)) for _ in range(2))
    assert all(np.array_equal(x.vector, y.vector) for x, y in zip(a, b, strict=True))
    vectors = np.stack([d.vector for d in a])
    np.testing.assert_allclose(vectors.T @ vectors / 2000, np.eye(3) / 3, atol=0.03)
    np.testing.assert_allclose([d.scale for d in a], (z @ vectors.T).std(0), rtol=1e-5)


@pytest.mark.parametrize("dims", [2, 16])
def test_random_directions_across_are_at_right_angles(dims):
    z, main = rng().standard_normal((100, dims)), unit(*rng(3).standard_normal(dims))
    found = directions.random_directions(50, z, rng(1), main)
    vectors = np.stack([d.vector for d in found])
    assert np.abs(vectors @ main.vector).max() < 1e-4  # of 1, in float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.linalg.matrix_rank(vectors, tol=1e-3) == dims - 1


def test_in_one_dimension_there_is_no_right_angle():
    (found,) = directions.random_directions(1, rng().standard_normal((9, 1)), rng(), unit(1.0))
    assert abs(found.vector[0]) == pytest.approx(1)


# ---- severity ---------------------------------------------------------------------------------------------------


def test_rare_labels_weigh_more_by_how_rare_they_are():
    weights = severity.smoothed_weights(np.r_[np.zeros(180), np.ones(20)])
    assert weights.mean() == pytest.approx(1) and weights[-1] / weights[0] == pytest.approx(9)


def test_a_value_shares_its_weight_with_its_neighbours():
    values = np.r_[np.linspace(0, 1, 201), np.full(200, 0.5)]
    weights = severity.smoothed_weights(values)
    crowd, beside, apart = (weights[np.abs(values - at).argmin()] for at in (0.5, 0.515, 0.8))
    assert crowd < beside < apart / 2


def test_severity_rises_along_the_planted_axis_and_is_fair_to_the_rare():
    last = np.arange(1000) % 20 == 0
    z = rng().standard_normal((1000, 3)) + np.outer(last, [2, 0, 0])
    model = severity.severity_model(z, last.astype(float))
    assert (np.diff(model.predict(np.outer(np.linspace(-3, 3, 9), [1, 0, 0]))) > 0).all()
    assert model.predict(z)[last].mean() + model.predict(z)[~last].mean() == pytest.approx(1, abs=0.02)


# ---- how good is a direction? -----------------------------------------------------------------------------------


def test_auc_is_that_of_sklearn_ties_and_all():
    z = np.round(cloud([0.5, -1, 0], n=150).z, 1)
    last = np.arange(300) % 2 == 1
    auc, _ = directions.class_separation(z, last)
    np.testing.assert_allclose(auc, [roc_auc_score(last, column) for column in z.T])
    assert directions.class_separation(z[:, 1], last)[0] == pytest.approx(auc[1])


def test_cohens_d_by_hand():
    position, last = np.array([0.0, 2, 4, 5, 9]), np.array([False, False, False, True, True])
    _, d = directions.class_separation(position, last)
    pooled = np.sqrt((2 * 4 + 1 * 8) / 3)  # variances 4 of three and 8 of two
    assert d == pytest.approx((7 - 2) / pooled)
    assert directions.class_separation(-position, last)[1] == pytest.approx(-d)


def test_the_planted_dimensions_rank_first_whatever_their_sign():
    found = directions.ranked_dimensions(cloud([0, 1, 0, 0, -2, 0]))
    assert [d["dimension"] for d in found[:2]] == [4, 1] and len(found) == 6
    auc = [d["auc"] for d in found]
    assert auc == sorted(auc, reverse=True) and min(auc) >= 0.5
    assert found[0]["cohens_d"] == pytest.approx(-2, abs=0.2) and found[1]["cohens_d"] == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("name", STRAIGHT)
def test_a_clear_contrast_is_stable(name):
    assert stability(cloud([0, 6, 0, 0]), name, rng(), n=5) > 0.98


def test_a_contrast_of_nothing_is_as_unstable_as_noise():
    """Means of noise and of its bootstraps: half of what a bootstrap shows is its own, so the cosine is 1 / sqrt 2."""
    assert stability(cloud(np.zeros(200), n=100), "means", rng()) == pytest.approx(2**-0.5, abs=0.05)
    assert stability(cloud(np.zeros(16), n=100), "lda", rng()) < 0.85


def test_stability_is_undefined_for_the_gradient_and_refuses_what_is_not_there():
    assert np.isnan(stability(cloud([1, 1]), "gradient", rng()))
    with pytest.raises(InputError, match="no direction"):
        stability(cloud([1, 1]), "umap", rng())


def test_positions_agree_by_their_order_alone():
    a = rng().standard_normal(500)
    assert order_agreement(a, np.exp(a)) == pytest.approx(1) == pytest.approx(order_agreement(a, 7 - 3 * a**3))
    assert order_agreement(a, rng(1).standard_normal(500)) < 0.15


def test_a_direction_is_at_length_one_whatever_it_came_from():
    found = directions.scaled("d", np.array([30.0, 40]), np.array([[0.0, 0], [3, 4]]))
    assert isinstance(found, Direction) and found.scale == pytest.approx(2.5)
    np.testing.assert_allclose(found.vector, [0.6, 0.8], rtol=1e-6)
