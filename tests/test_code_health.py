"""Laws of latent health: a true sample of the prior passes, each way to be ill is counted, probes know the answer."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest, normaltest, wasserstein_distance

from xaae.experiment.errors import InputError
from xaae.latent_nav import code_health
from xaae.latent_nav.health_run import row_numbers


@pytest.fixture(autouse=True)
def usual_trees(monkeypatch, few_trees):
    """As many as a user's codes are judged by, not the few of other tests."""
    monkeypatch.setattr(code_health, "TREES", few_trees)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def normal():
    return np.random.default_rng(1).standard_normal((600, 8))


def test_a_sample_of_the_prior_is_healthy(normal):
    found = code_health.latent_health(normal)
    assert found["sliced_wasserstein"] == pytest.approx(found["sliced_wasserstein_expected"], rel=0.15)
    assert found["henze_zirkler_p"] > 0.01 and found["normality_rejected_share"] == 0
    assert found["zeros_share"] == found["dead_share"] == 0 and found["negatives_share"] == pytest.approx(0.5, abs=0.02)
    assert found["participation_ratio"] > 7.5 and found["effective_rank"] > 7.5 and found["first_share"] < 0.2


def test_rectified_codes_are_ill(normal):
    found = code_health.latent_health(np.maximum(normal, 0))
    assert found["sliced_wasserstein"] > 4 * found["sliced_wasserstein_expected"]
    assert found["henze_zirkler_p"] < 1e-6 and found["normality_rejected_share"] == 1
    assert found["negatives_share"] == 0 and found["zeros_share"] == pytest.approx(0.5, abs=0.02)


def test_health_is_ready_for_json_and_the_same_for_the_same_generator(normal):
    table = pd.DataFrame({"a": normal[:, 0], "b": normal[:, 1] + normal[:, 2], "path": [str(i) for i in range(600)]})
    a, b = (code_health.latent_health(normal, factors=table, rng=np.random.default_rng(3)) for _ in range(2))
    assert json.dumps(a) == json.dumps(b)
    assert a["skipped"] == ["path"] and set(a["probe_r2"]) == {"a", "b"}
    assert 0 < a["dci"]["disentanglement"] <= 1


def test_the_distance_to_the_normal_is_that_of_a_dense_normal_grid(rng):
    x = rng.gamma(2, size=(300, 2))
    dense = np.sort(np.random.default_rng(5).standard_normal((300_000, 1)), 0)
    by_hand = ((np.sort(x, 0).repeat(1000, 0) - dense) ** 2).mean(0)
    np.testing.assert_allclose(code_health.normal_distance(x), by_hand, rtol=0.01)
    order_one = [wasserstein_distance(c, dense[::100, 0]) for c in x.T]
    assert (np.sqrt(code_health.normal_distance(x)) >= order_one).all()


@pytest.mark.parametrize("dims", [1, 5, 16])
def test_a_shift_costs_its_square_over_the_dimensions(rng, dims):
    shift = np.linspace(1, 3, dims)
    found = code_health.sliced_wasserstein(rng.standard_normal((4000, dims)) + shift, rng) ** 2
    assert found == pytest.approx(shift @ shift / dims, rel=0.1)


def test_the_expected_distance_is_the_mean_over_true_samples(rng):
    for n in (50, 500):
        found = [code_health.sliced_wasserstein(rng.standard_normal((n, 12)), rng) ** 2 for _ in range(30)]
        assert np.mean(found) == pytest.approx(code_health.expected_distance([n], rng) ** 2, rel=0.15)


def test_codes_round_their_class_means_are_healthy_and_opposite_shifts_do_not_cancel(rng):
    means, labels = 2.0 * np.array([[-1, 0, 0, 0], [1, 0, 0, 0]]), np.repeat([0, 1], [200, 600])
    z = rng.standard_normal((800, 4)) + means[labels]
    good, plain = code_health.latent_health(z, labels, means), code_health.latent_health(z)
    assert good["sliced_wasserstein"] == pytest.approx(good["sliced_wasserstein_expected"], rel=0.25)
    assert good["henze_zirkler_p"] > 0.01 and good["first_share"] < 0.35
    assert plain["henze_zirkler_p"] < 1e-6 and plain["first_share"] > 0.45
    apart = code_health.prior_distance(code_health.deviations(z + means[labels] / 4, labels, means), rng, labels)
    assert apart["sliced_wasserstein"] ** 2 == pytest.approx(0.5**2 / 4, rel=0.35)


def test_the_spectrum_of_a_known_covariance(rng):
    z = rng.standard_normal((20_000, 3)) * [3, 1, 0]
    found = code_health.code_spectrum(z)
    np.testing.assert_allclose(found["eigenvalues"], [9, 1, 0], atol=0.3)
    assert found["first_share"] == pytest.approx(0.9, abs=0.01)
    assert found["participation_ratio"] == pytest.approx(100 / 82, abs=0.02)
    assert found["effective_rank"] == pytest.approx(np.exp(-0.9 * np.log(0.9) - 0.1 * np.log(0.1)), abs=0.02)


@pytest.mark.parametrize("n, dims", [(60, 2), (150, 8)])
def test_henze_zirkler_p_is_even_for_normal_samples(n, dims):
    rng = np.random.default_rng(4)
    mixing = rng.standard_normal((dims, dims))
    p = [code_health.henze_zirkler(rng.standard_normal((n, dims)) @ mixing + 7, rng)[1] for _ in range(50)]
    assert kstest(p, "uniform").pvalue > 0.01 and np.mean(np.array(p) < 0.05) <= 0.14


@pytest.mark.parametrize("b", [0.5, 1.5])
def test_henze_zirkler_null_is_that_of_the_limiting_process(b):
    """Mean and variance are integrals of the process's covariance (mean and covariance estimated), here in 2 D."""
    x, w = np.polynomial.hermite_e.hermegauss(24)
    t = np.stack(np.meshgrid(x, x), -1).reshape(-1, 2) * np.sqrt(b)
    weight, inner, square = np.outer(w, w).ravel() / (2 * np.pi), t @ t.T, (t**2).sum(1)
    total = np.add.outer(square, square)
    covariance = np.exp(inner - total / 2) - (1 + inner + inner**2 / 2) * np.exp(-total / 2)
    mean, variance = np.diag(covariance) @ weight, 2 * weight @ covariance**2 @ weight
    np.testing.assert_allclose(code_health.henze_zirkler_null(2, b), (mean, variance), rtol=1e-3)


def test_henze_zirkler_in_one_dimension_is_the_integral_it_stands_for(rng):
    """The statistic is n times the squared gap of the characteristic functions under a normal weight."""
    x = rng.exponential(size=80)
    y, b = (x - x.mean()) / x.std(), (3 * 80 / 4) ** (2 / 5) / 2
    t = np.linspace(-12, 12, 4001) * np.sqrt(b)
    gap = np.abs(np.exp(1j * t[:, None] * y).mean(1) - np.exp(-(t**2) / 2)) ** 2
    weight = np.exp(-(t**2) / (2 * b)) / np.sqrt(2 * np.pi * b)
    statistic, p = code_health.henze_zirkler(x[:, None], rng)
    assert statistic == pytest.approx(80 * np.trapezoid(gap * weight, t), rel=1e-6) and p < 1e-3


def test_henze_zirkler_sees_clusters_and_skips_what_it_cannot_test(rng):
    z = rng.standard_normal((300, 4))
    padded = np.hstack([z, np.full((300, 3), 0.7), z[:, :1]])
    np.testing.assert_allclose(code_health.henze_zirkler(padded, rng), code_health.henze_zirkler(z, rng), rtol=1e-6)
    assert code_health.henze_zirkler(z + np.outer(np.repeat([-3, 3], 150), [1, 0, 0, 0]), rng)[1] < 1e-6
    for hopeless in (np.zeros((30, 2)), rng.standard_normal((30, 20)), rng.standard_normal((400, 128))):
        assert np.isnan(code_health.henze_zirkler(hopeless, rng)).all()


def test_a_dimension_that_is_not_normal_is_found_among_those_that_are(rng):
    z = rng.standard_normal((500, 10))
    z[:, 3], z[:, 6] = rng.uniform(size=500), 1.0
    assert np.flatnonzero(code_health.dimension_p_values(z, rng) < 0.001).tolist() == [3, 6]


def test_one_dimension_has_scipys_p_value(rng):
    x = rng.gamma(20, size=(200, 1))
    assert code_health.dimension_p_values(x, rng) == pytest.approx(normaltest(x[:, 0])[1])


def test_dead_dimensions_are_counted(normal):
    normal[:, 2] *= 1e-3
    normal[:, 5] *= 0.09
    assert np.flatnonzero(code_health.dead_dimensions(normal)).tolist() == [2, 5]
    assert code_health.latent_health(normal)["dead_share"] == 2 / 8
    assert code_health.dead_dimensions(normal * 1e-3).all()  # all collapsed: the median is no excuse


def test_probes_know_a_linear_factor_from_noise(normal, rng):
    table = pd.DataFrame(
        {
            "linear": 30 + normal @ np.arange(8.0),
            "noise": rng.standard_normal(600),
            "square": normal[:, 0] ** 2,
            "side": np.where(normal[:, 1] > 0, "left", "right"),
            "coin": rng.choice(["a", "b", "c"], 600),
            "always": 5.0,
            "name": [f"item{i}" for i in range(600)],
        }
    )
    found = code_health.probes(normal, table, rng)
    assert found["probe_r2"]["linear"] > 0.999
    assert abs(found["probe_r2"]["noise"]) < 0.1 and abs(found["probe_r2"]["square"]) < 0.1
    assert found["probe_balanced_accuracy"]["side"] > 0.95
    assert found["probe_balanced_accuracy"]["coin"] == pytest.approx(1 / 3, abs=0.08)
    assert found["skipped"] == ["always", "name"]


def test_a_majority_is_no_skill_and_a_minority_weighs_the_same(normal, rng):
    rare = pd.DataFrame({"chance": np.where(np.arange(600) % 20 == 0, "yes", "no")})
    rare["read"] = np.where(normal[:, 0] + rng.standard_normal(600) > 2.3, "yes", "no")
    found = code_health.probes(normal, rare, rng)["probe_balanced_accuracy"]
    assert found["chance"] < 0.65 and found["read"] > 0.68


def test_missing_values_and_rare_categories_are_left_out():
    values = pd.Series([1.0, np.nan, np.inf, 4.0] * 10)
    rows, y = code_health.target(values)
    assert rows.sum() == 20 and set(y) == {1.0, 4.0}
    rows, y = code_health.target(pd.Series(["a"] * 15 + ["b"] * 15 + ["c"] * 4 + [None] * 6))
    assert rows.sum() == 30 and set(y) == {"a", "b"}
    assert code_health.target(pd.Series(["a"] * 30 + ["c"] * 4)) is None
    assert code_health.target(pd.Series([True, False] * 10))[1].dtype.kind == "U"


@pytest.fixture(scope="module")
def factors():
    return np.random.default_rng(2).uniform(-1, 1, (500, 5))


def test_one_dimension_per_factor_is_disentangled_and_its_rotation_is_not(factors, rng):
    table = pd.DataFrame(factors, columns=list("abcde")).assign(e=np.where(factors[:, 4] > 0, "up", "down"))
    straight = code_health.dci(factors, table, rng)
    turned = code_health.dci(factors @ np.linalg.qr(rng.standard_normal((5, 5)))[0], table, rng)
    assert min(straight.values()) > 0.93
    for name in ("disentanglement", "completeness"):
        assert turned[name] < straight[name] - 0.3


def test_disentangled_is_not_complete_and_noise_is_not_informative(factors, rng):
    """Two dimensions share each factor: each serves one factor, but no factor sits in one."""
    halves = np.hstack([factors, factors]) + 0.3 * rng.standard_normal((500, 10))
    found = code_health.dci(halves, pd.DataFrame(factors), rng)
    assert found["disentanglement"] > 0.6 and found["completeness"] < found["disentanglement"] - 0.1
    noise = pd.DataFrame({"a": rng.standard_normal(500), "b": rng.choice(["x", "y"], 500)})
    assert code_health.dci(factors, noise, rng)["informativeness"] < 0.1


def test_concentration_by_hand():
    weights = np.array([[1, 0, 0, 0], [1, 1, 1, 1], [2, 2, 0, 0]], float)
    np.testing.assert_allclose(code_health.concentration(weights), [1, 0, 0.5], atol=1e-12)
    assert np.isnan(code_health.concentration(weights[:, :1])).all()


def test_dci_needs_something_to_tell_apart(factors, rng):
    assert np.isnan(list(code_health.dci(factors, pd.DataFrame({"same": [1.0] * 500}), rng).values())).all()
    one = code_health.dci(factors, pd.DataFrame({"a": factors[:, 0]}), rng)
    assert np.isnan(one["disentanglement"]) and one["completeness"] > 0.9


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((np.zeros((3, 2)),), "at least 20"),
        ((np.zeros(50),), r"\(N, D\)"),
        ((np.full((30, 2), np.nan),), "NaN"),
        ((np.eye(30), None, np.zeros((2, 30))), "labels"),
        ((np.eye(30), [0] * 29, np.zeros((2, 30))), "30 codes but 29 labels"),
        ((np.eye(30), [0] * 30, np.zeros((2, 3))), "class means"),
        ((np.eye(30), [0, 2] * 15, np.zeros((2, 30))), "number"),
        ((np.eye(30), ["a"] * 30, np.zeros((2, 30))), "number"),
        ((np.eye(30), None, None, pd.DataFrame({"a": [1, 2]})), "rows of factors"),
    ],
)
def test_bad_input_is_said_in_one_sentence(arguments, words):
    with pytest.raises(InputError, match=words) as e:
        code_health.latent_health(*arguments)
    assert str(e.value).endswith(".") and "\n" not in str(e.value)


def test_columns_that_count_the_rows_are_no_factors_of_the_items():
    columns = {"item": [0, 1, 2, 3], "gap": [7, 8, 10, 11], "year": [1961, 1972, 1983, 1984], "same": [1, 1, 1, 1]}
    table = pd.DataFrame(columns | {"sorted": [1, 1, 2, 3], "place": [0.0, 1.0, 2.0, 3.0], "name": list("abcd")})
    assert row_numbers(table) == ["item", "gap"] and row_numbers(table[:1]) == []
