"""Every method on every kind of network: it works or refuses with a reason, and what its registry entry says is so."""

import numpy as np
import pytest
import torch
from helpers.maps import sums
from helpers.networks import network_case
from helpers.places import HOME
from helpers.toys import shallow_resnet
from torch import nn

from xaae import model as models
from xaae.benchmarks import matrix
from xaae.benchmarks.networks import NETWORKS
from xaae.explain.call import explain
from xaae.explain.listing import SHOWS
from xaae.explain.method import KINDS, METHODS, Refusal
from xaae.explain.network.needs import NEEDS
from xaae.explain.network.randomise import randomised, similarity
from xaae.explain.network.subject import Subject

README = (HOME / "README.md").read_text()
FAMILIES = {
    "gradient": "saliency input_x_gradient smoothgrad integrated_gradients guided_backprop deconvolution deeplift "
    "deeplift_shap gradient_shap",
    "layer": "internal_influence layer_conductance layer_activation layer_gradient_x_activation layer_deeplift "
    "layer_gradient_shap linear_approximation",
    "cam": "gradcam guided_gradcam layer_gradcam xgradcam layer_cam score_cam gradcam_plus_plus",
    "propagation": "lrp_epsilon lrp_epsilon_plus lrp_epsilon_plus_flat lrp_epsilon_alpha2_beta1 "
    "lrp_epsilon_alpha2_beta1_flat lrp_epsilon_gamma_box excitation_backprop contrastive_excitation_backprop",
    "perturbation": "occlusion feature_ablation rise lime shapley_value_sampling kernel_shap",
    "shap": "shap_deep shap_gradient",
    "visualisation": "class_model feature_rendering deep_dream layer_visualisation",
    "uncertainty": "mc_dropout_mean mc_dropout_std",
}

over_methods = pytest.mark.parametrize("name", METHODS)


# ---- the matrix -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def outcomes():
    """The matrix, with few of the ResNet34's blocks; any error other than a refusal fails here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "resnet34", shallow_resnet)
        return matrix.run_matrix()


def test_all_that_the_sources_name_is_there():
    assert set(FAMILIES) == set(KINDS)
    for kind, names in FAMILIES.items():
        assert set(names.split()) <= {m.name for m in METHODS.values() if m.kind == kind}


def test_every_method_works_somewhere_and_refuses_in_a_sentence_elsewhere(outcomes):
    assert set(outcomes) == set(METHODS) and all(set(row) == set(NETWORKS) for row in outcomes.values())
    assert [name for name, row in outcomes.items() if "works" not in row.values()] == []
    reasons = {outcome for row in outcomes.values() for outcome in row.values()} - {"works"}
    assert all(len(reason.split()) > 3 and not reason.endswith(".") for reason in reasons)


def test_the_readme_shows_this_matrix(outcomes):
    assert matrix.in_readme(matrix.as_markdown(outcomes), README) == README, "run python -m benchmarks.matrix --write"


def test_cut_down_parameters_exist():
    assert all(any(p in m.parameters for m in METHODS.values()) for p in matrix.SMALL)


# ---- what a registry entry says ---------------------------------------------------------------------------------


@over_methods
def test_an_entry_uses_known_words_and_has_a_title_of_its_own(name):
    m = METHODS[name]
    assert m.kind in KINDS and set(m.needs) <= set(NEEDS) and m.shows in SHOWS and m.name == name
    assert [other.name for other in METHODS.values() if other.title == m.title] == [name]
    assert all(text and text == text.strip() and not text.endswith(".") for text in (m.title, m.paper, m.means))


def small_explanation(name, subject, x, **options):
    """The maps of a method with small parameters for the classes 0 and 1."""
    return explain(subject, x, name, [0, 1], **options, **matrix.small_parameters(METHODS[name]))


LACKING = {"layer", "relu", "dropout", "background"}  # what the network below, without a background, does not have


@over_methods
def test_a_method_refuses_exactly_where_something_is_missing_that_it_needs(name):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.LeakyReLU(), nn.Linear(8, 2)).eval()
    try:
        small_explanation(name, network, torch.rand(2, 1, 64))
        refused = False
    except Refusal:
        refused = True
    assert refused == bool(LACKING & set(METHODS[name].needs))


SUMS = [m.name for m in METHODS.values() if m.sums]


@pytest.mark.parametrize("name", SUMS)
def test_maps_that_are_said_to_sum_to_the_difference_in_score_do_so(name):
    subject, x, background = network_case("1-D convnet")
    base = background if "background" in METHODS[name].needs else torch.zeros_like(x[:1])
    with torch.no_grad():
        difference = (subject.network(x) - subject.network(base).mean(0))[[0, 1], [0, 1]].numpy()
    maps = small_explanation(name, subject, x, background=background)
    np.testing.assert_allclose(sums(maps), difference, atol=0.05 * np.abs(difference).max())


@pytest.mark.parametrize("name", [m.name for m in METHODS.values() if m.shows == "picture"])
def test_pictures_have_the_shape_and_the_range_of_the_items(name):
    subject, x, _ = network_case("3-D convnet")
    images = small_explanation(name, subject, x)
    assert images.shape == x.shape and float(x.min()) <= images.min() < images.max() <= float(x.max())


@over_methods
def test_bf16_changes_the_maps_of_those_methods_that_allow_it_and_of_no_others(name):
    subject, x, background = network_case("1-D convnet")
    try:
        full, half = (small_explanation(name, subject, x, background=background, precision=p) for p in ("fp32", "bf16"))
    except Refusal:
        pytest.skip("it does not fit this network")
    assert np.array_equal(full, half) != METHODS[name].autocast


# ---- it looks at the weights --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def blank():
    """The tutorial's ConvNet with all weights drawn anew."""
    subject, x, _ = network_case("CIFAR ConvNet")
    return Subject(randomised(subject.network, 7), x)


@over_methods
def test_new_weights_give_a_new_map(name, blank):
    how = METHODS[name]
    subject, x, background = network_case("CIFAR ConvNet")
    options = {"background": background} | matrix.small_parameters(how)
    maps = [explain(s, x, name, 1, **options) for s in (subject, blank)]
    if how.shows == "picture":
        maps = [m - x.numpy() for m in maps]  # what was done to the item
    alike = float(np.nanmean(similarity(*maps)["absolute"]))
    assert alike < 0.9 or how.flag, f"{name} hardly changes ({alike:.2f}): flag it"
    assert not np.array_equal(*maps)


@pytest.mark.parametrize("name", ["guided_backprop", "deconvolution", "guided_gradcam", "layer_activation"])
def test_methods_known_to_fail_are_flagged(name):
    assert METHODS[name].flag
