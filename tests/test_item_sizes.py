"""Laws of the sizes between an item and its code: what is quartered first, and that nothing of it is lost."""

from functools import partial

import pytest
import torch
from helpers.pictures import draw_pets

from xaae import model as models
from xaae.callbacks import half_of
from xaae.experiment.errors import InputError
from xaae.experiment.item_sizes import LARGE, check_size, halvings, places_met, usual_first_step
from xaae.experiment.kinds import PICTURE, SIGNAL, VOLUME
from xaae.experiment.settings import CODES, RunConfig, RunSettings
from xaae.factors.picture_plants import rotate
from xaae.training.factored_code import FactoredAAE, GrowingPixels
from xaae.training.feature_network import FeatureNetwork
from xaae.training.fitting import make_aae
from xaae.training.preparation import prepare_training, resolve

OLD = {"classes": ["cat", "dog"], "input_channels": 3, "class_ranges": {}, "epochs": 1}  # of a version without it


def all_that_quarter(size, channels=3):
    """An AAE of each code that quarters its pictures first, and a factored one that is quartered on."""
    options = {"classes": 2, "first_step": 4}
    factored = partial(FactoredAAE, size, channels, 6, 4, coordinates={"brightness": 0.0}, **options)
    return models.AAE(size, channels, 6, 4, **options), factored(), factored(quartered=True)


@pytest.mark.parametrize("size", [17, 66, 97, 128, 130, 251])
@pytest.mark.parametrize("channels", [1, 4])
def test_pictures_of_any_size_keep_it(size, channels):
    x = torch.rand(2, channels, size, size)
    for aae in all_that_quarter(size, channels):
        logits, x_hat, z = aae(x)
        assert x_hat.shape == x.shape and 0 <= x_hat.min() and x_hat.max() <= 1
        assert len(z) == len(logits) == 2


def test_pictures_that_are_not_square():
    x = torch.rand(2, 3, 96, 160)
    assert all(aae(x)[1].shape == x.shape for aae in all_that_quarter((96, 160)))


@pytest.mark.parametrize("size", [65, 128])
def test_every_pixel_is_looked_at_and_every_pixel_is_drawn(size):
    x = torch.rand(2, 3, size, size, requires_grad=True)
    for aae in all_that_quarter(size):
        seen = torch.autograd.grad(aae.train().encode(x).square().sum() + aae.classify(x).square().sum(), x)[0]
        assert (seen != 0).all()
        drawn = aae.eval().decode(torch.randn(8, aae(x)[2].shape[1]))
        assert (drawn.std(0) > 0).all()


def test_what_is_quartered_skips_one_size():
    sizes = halvings((128, 128))
    assert places_met(sizes, PICTURE, 2) == sizes
    assert places_met(sizes, PICTURE, 4) == [(128, 128), (32, 32), (16, 16), (8, 8), (4, 4)]


@pytest.mark.parametrize("kind", [SIGNAL, PICTURE, VOLUME])
def test_only_large_pictures_are_quartered_unasked(kind):
    for size in (LARGE, LARGE + 1):
        large_picture = kind is PICTURE and size > LARGE
        assert usual_first_step(kind, check_size(size, kind)) == (4 if large_picture else 2)


@pytest.mark.parametrize(
    "asked", [{"first_step": 3}, {"first_step": 4, "kind": "signal"}, {"first_step": 4, "input_size": 16}]
)
def test_a_first_step_that_makes_no_sense(asked):
    with pytest.raises(InputError, match="choose 2, or, for pictures of more than 16 pixels, 4"):
        models.AAE(**asked)


def test_a_run_of_before_keeps_its_layers():
    config = RunConfig.from_dict(OLD | {"input_size": 128, "encoding_dims": 16, "noise": 0.3, "lr": 1e-3})
    weighed = {"reconstruction_weight": 1.0, "classification_weight": 1.0}
    aae = make_aae(RunConfig.from_dict({**config.as_dict(), **weighed}))[0]
    assert aae.arguments["first_step"] == 2


def test_a_factored_run_of_before_is_not_quartered_on():
    """Its training may have been stopped half way."""
    settings = RunSettings.from_options("smoke", dataset="synthpets", items=40, size=66, code="factored")
    config = prepare_training(*resolve(settings)).config.as_dict()
    assert make_aae(RunConfig.from_dict(config))[0].quartered
    del config["quartered"]
    assert not make_aae(RunConfig.from_dict(config))[0].quartered


@pytest.mark.parametrize("size, asked, steps", [(64, None, 2), (66, None, 4), (66, 2, 2)])
@pytest.mark.parametrize("code", CODES)
def test_a_training_has_what_was_asked_for_or_what_suits_the_size(size, asked, steps, code):
    asked = {"dataset": "synthpets", "items": 40, "size": size, "first_step": asked, "code": code}
    config = prepare_training(*resolve(RunSettings.from_options("smoke", **asked))).config
    assert config.first_step == steps and config.quartered == (steps == 4 and code == "factored")


def test_what_is_quartered_is_shown_more_of_unless_epochs_are_asked_for():
    asked = {"dataset": "synthpets", "items": 1000, "code": "factored"}
    small, large, told = (
        prepare_training(*resolve(RunSettings.from_options("default", **asked, size=size, epochs=epochs))).config.epochs
        for size, epochs in ((64, None), (66, None), (66, 3))
    )
    assert 1.15 < large / small < 1.35 and told == 3


@pytest.mark.parametrize("size", [(32, 32), (48, 20)])
def test_pixels_of_a_quartering_step_are_even_where_nothing_changes(size):
    """Inside, where a kernel sees no edge; what changes from place to place is drawn pixel by pixel."""
    step = GrowingPixels(models.LAYERS["picture"], 5, 3, [side // 4 for side in size], size)
    same = torch.randn(2, 5, 1, 1).expand(-1, -1, *(side // 4 for side in size))
    inside = step(same)[..., 4:-4, 4:-4]
    torch.testing.assert_close(inside, inside[..., :1, :1].expand_as(inside))
    assert inside.std() > 0.01
    drawn = step(torch.randn(2, 5, *(side // 4 for side in size))).unflatten(2, (-1, 4)).unflatten(4, (-1, 4))
    assert (drawn.std((3, 5)) > 0).all()


def test_a_quartered_code_turns_back_what_it_looks_at():
    """At half the size, by the same angle: the content of a picture and of its turned one is looked for in one."""
    aae = FactoredAAE(128, 3, 6, 4, coordinates={"rotation": 0.0}, first_step=4, quartered=True, classes=2).eval()
    seen, coordinate = [], aae.coordinates[0]
    aae.encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    upright = draw_pets(4, 128)
    turned = rotate(upright, torch.full((4,), 40.0))
    angles = torch.tensor([0.0] * 4 + [40.0] * 4) / coordinate.scale
    aae.glance.coordinates_of = lambda features, own=None: angles[:, None]
    aae.encode(torch.cat([upright, turned]))
    first, again = seen[0].chunk(2)
    assert first.shape == (4, 3, 64, 64)
    middle = (..., slice(16, 48), slice(16, 48))
    assert (first[middle] - again[middle]).abs().mean() < 0.25 * (first[middle] - half_of(turned)[middle]).abs().mean()


def test_the_thesis_has_layers_of_its_own():
    asked = RunSettings.from_options("thesis", dataset="synthpets", items=40, size=32, first_step=2)
    with pytest.raises(InputError, match="leave out --first-step"):
        prepare_training(*resolve(asked))


def test_the_feature_network_sees_what_is_quartered_at_half_its_size():
    x = torch.rand(2, 3, 130, 130)
    whole, halved = FeatureNetwork("picture", 3, 2), FeatureNetwork("picture", 3, 2, 2)
    halved.load_state_dict(whole.state_dict())
    half = torch.nn.functional.avg_pool2d(x, 2)
    for seen, wanted in zip(halved.eval().features(x), whole.eval().features(half), strict=True):
        torch.testing.assert_close(seen, wanted)


def test_it_is_kept_with_the_weights(tmp_path):
    x = torch.rand(2, 3, 66, 66)
    for i, aae in enumerate(all_that_quarter(66)):
        models.save(aae.eval(), tmp_path / f"{i}.safetensors")
        torch.testing.assert_close(models.load(tmp_path / f"{i}.safetensors")(x)[1], aae(x)[1])
