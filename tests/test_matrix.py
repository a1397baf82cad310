"""Every method on every kind of network: it works or refuses with a reason; and it looks at the weights."""

from pathlib import Path

import numpy as np
import pytest
import torch

from xaae.benchmarks import matrix
from xaae.benchmarks.networks import NETWORKS, build
from xaae.explain.call import explain
from xaae.explain.method import KINDS, METHODS
from xaae.explain.network.needs import NEEDS
from xaae.explain.network.randomise import randomised, similarity
from xaae.explain.network.subject import Subject

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()
FAMILIES = {
    "gradient": "saliency input_x_gradient smoothgrad integrated_gradients guided_backprop deconvolution deeplift "
    "deeplift_shap gradient_shap",
    "layer": "internal_influence layer_conductance layer_activation layer_gradient_x_activation layer_deeplift "
    "layer_gradient_shap linear_approximation",
    "cam": "gradcam guided_gradcam layer_gradcam score_cam gradcam_plus_plus",
    "propagation": "lrp_epsilon lrp_epsilon_plus lrp_epsilon_plus_flat lrp_epsilon_alpha2_beta1 "
    "lrp_epsilon_alpha2_beta1_flat lrp_epsilon_gamma_box excitation_backprop contrastive_excitation_backprop",
    "perturbation": "occlusion feature_ablation rise lime shapley_value_sampling kernel_shap",
    "shap": "shap_deep shap_gradient",
    "visualisation": "class_model feature_rendering deep_dream layer_visualisation",
    "uncertainty": "mc_dropout_mean mc_dropout_std",
}


@pytest.fixture(scope="module")
def found():
    """The matrix; any error other than a refusal fails here."""
    return matrix.run_matrix()


def test_all_that_the_sources_name_is_there():
    assert set(FAMILIES) == set(KINDS)
    for kind, names in FAMILIES.items():
        assert set(names.split()) <= {m.name for m in METHODS.values() if m.kind == kind}
    assert sum(m.kind == "cam" for m in METHODS.values()) >= 7


@pytest.mark.parametrize("name", FAMILIES["gradient"].split())
def test_every_entry_says_what_it_is(name):
    for m in METHODS.values():
        assert m.title and m.paper and m.means and m.kind in KINDS and set(m.needs) <= set(NEEDS), m.name
        assert m.attribute.__doc__ or m.means


def test_no_third_case(found):
    assert set(found) == set(METHODS) and all(set(row) == set(NETWORKS) for row in found.values())
    for name, row in found.items():
        assert "works" in row.values(), f"{name} works nowhere"
        assert all(outcome == "works" or len(outcome) > 15 for outcome in row.values()), name


def test_the_readme_shows_this_matrix(found):
    assert matrix.in_readme(matrix.as_markdown(found), README) == README, "run python -m benchmarks.matrix --write"


@pytest.fixture(scope="module")
def two_networks():
    """The tutorial's ConvNet, and the same with all weights drawn anew."""
    network, x, background = build("CIFAR ConvNet")
    return Subject(network, x), Subject(randomised(network, 7), x), x, background


@pytest.mark.parametrize("name", METHODS)
def test_new_weights_give_a_new_map(name, two_networks):
    how = METHODS[name]
    before, after, x, background = two_networks
    given = {"background": background} | matrix.small_parameters(how)
    maps = [explain(s, x, name, 1, **given) for s in (before, after)]
    if how.shows == "picture":
        maps = [m - x.numpy() for m in maps]  # what was done to the item
    alike = float(np.nanmean(similarity(*maps)["absolute"]))
    assert alike < 0.9 or how.flag, f"{name} hardly changes ({alike:.2f}): flag it"
    assert not np.array_equal(*maps)


def test_methods_known_to_fail_are_flagged():
    for name in ("guided_backprop", "deconvolution", "guided_gradcam", "layer_activation"):
        assert METHODS[name].flag


def test_cut_down_parameters_exist():
    assert all(any(p in m.parameters for m in METHODS.values()) for p in matrix.SMALL)
    assert torch.is_tensor(build("AAE head")[1])
