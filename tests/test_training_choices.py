"""Laws of what training may be asked for: reconstruction losses, corruption, augmentations."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.command_line import EXACT, SMALL, call, refused, succeed
from helpers.same_runs import check_same_run

from xaae.callbacks import DISTANCES, Corrupt, loop
from xaae.callbacks.corruption import with_gaps, with_noise
from xaae.data import dataloaders, plant
from xaae.experiment.errors import InputError
from xaae.experiment.kinds import PICTURE, SIGNAL
from xaae.experiment.vocabulary import AUGMENTATIONS, LOSSES
from xaae.factors.bias import make_bias
from xaae.model import AAE
from xaae.sources.augmentations import WAYS, augment, check_augmentations
from xaae.sources.items import ArrayItems
from xaae.training.factored_code import FactoredAAE
from xaae.training.fitting import _layout_in_words

QUICK = [*SMALL, "--items", 60, "--epochs", 1, "--baseline-epochs", 0, "--dataset", "synthpets"]


def random_items(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


# ---- losses -----------------------------------------------------------------------------------------------------


def test_every_loss_has_its_name():
    assert tuple(DISTANCES) == LOSSES and tuple(WAYS) == AUGMENTATIONS


@pytest.mark.parametrize("name", LOSSES)
def test_a_distance_is_nought_for_the_item_itself_and_grows_with_what_is_missed(name):
    x = random_items(3, 1, 32, 32)
    x_hat = [(x + amount * torch.sin(torch.arange(32.0))).clamp(0, 1) for amount in (0.0, 0.1, 0.4)]
    found = [DISTANCES[name](each, x).flatten(1).mean(1) for each in x_hat]
    assert found[0].abs().max() < 1e-5 and (found[1] > 1e-4).all() and (found[2] > found[1]).all()


@pytest.mark.parametrize("name", LOSSES)
def test_a_gradient_leads_back_from_any_reconstruction(name):
    x, x_hat = random_items(2, 3, 32, 32), torch.full((2, 3, 32, 32), 0.5, requires_grad=True)
    DISTANCES[name](x_hat, x).flatten(1).mean().backward()
    assert x_hat.grad.abs().sum() > 0 and x_hat.grad.isfinite().all()


@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (2, 1, 64), (2, 1, 16, 16, 16)])
def test_structure_is_asked_of_pictures_that_are_large_enough(shape):
    with pytest.raises(InputError, match="use l1"):
        DISTANCES["ms-ssim"](torch.rand(shape), torch.rand(shape))


# ---- corruption ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(40, 3, 32, 32), (40, 2, 64), (10, 1, 16, 16, 16)])
def test_gaps_hide_the_share_that_was_asked_for_and_nothing_else_changes(shape):
    x = random_items(*shape)
    changed = (with_gaps(x, 0.25) != x).any(1)
    assert 0.15 < changed.float().mean() < 0.35
    assert torch.equal(with_gaps(x, 0.0), x)


def test_noise_has_the_deviation_that_was_asked_for_and_stays_in_range():
    x = torch.full((20, 1, 32, 32), 0.5)
    assert float((with_noise(x, 0.05) - x).std()) == pytest.approx(0.05, rel=0.1)
    assert 0 <= with_noise(x, 5.0).min() and with_noise(x, 5.0).max() <= 1


def test_what_the_loss_compares_with_stays_whole_and_validation_is_left_alone():
    x, callback = random_items(4, 1, 32, 32), Corrupt(noise=0.2, masked=0.3)
    for training in (True, False):
        learn = SimpleNamespace(xb=(x,), training=training)
        callback.learn = learn
        callback.before_batch()
        assert torch.equal(learn.xb[0], x) != training


# ---- augmentations ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_an_augmentation_changes_items_and_keeps_their_shape_and_range(name):
    x = random_items(16, 3, 20, 24)
    found = augment(x, [name])
    assert found.shape == x.shape and 0 <= found.min() and found.max() <= 1 and not torch.equal(found, x)


def test_flipped_items_are_mirrored_or_left():
    x = random_items(64, 1, 4, 6)
    found = augment(x, ["flip"])
    same, turned = ((found == each).flatten(1).all(1) for each in (x, x.flip(-1)))
    assert (same ^ turned).all() and 10 < int(turned.sum()) < 54


def test_shifted_items_hold_the_same_values_in_their_order():
    x = torch.arange(40.0).view(1, 1, 40).expand(32, 1, 40) / 40
    found = augment(x, ["shift"])
    steps = found[:, 0].diff(dim=1)
    assert (steps >= 0).all() and (steps <= 1 / 40 + 1e-6).all()
    assert len({float(each[0, 20]) for each in found}) > 4


def test_an_unknown_augmentation_and_one_that_makes_no_sense_are_refused():
    with pytest.raises(InputError, match="choose from flip"):
        check_augmentations(["spin"], PICTURE)
    with pytest.raises(InputError, match="use shift, gain"):
        check_augmentations(["flip"], SIGNAL)


def test_training_items_are_augmented_before_anything_is_planted_and_held_out_ones_never():
    """A picture that is dark on its left stays so in validation; in training half of them are dark on their right."""
    x = torch.zeros(40, 1, 16, 16)
    x[..., 8:] = 1.0
    table = pd.DataFrame({"path": [str(i) for i in range(40)], "label": ["a", "b"] * 20, "group": ""})
    table["split"] = np.where(np.arange(40) < 30, "train", "valid")
    bias = make_bias(["a", "b"], None, "normal")
    dls = dataloaders(plant(table, bias), ArrayItems(x), bias, ["a", "b"], bs=30, augmentations=["flip"])
    dark_left = [batch[0].as_subclass(torch.Tensor)[:, 0, :, 0].mean(1) < 0.5 for batch in (*dls.train, *dls.valid)]
    assert 5 < int(dark_left[0].sum()) < 25 and dark_left[1].all()


# ---- from the door --------------------------------------------------------------------------------------------------


def test_training_takes_them_all_and_says_so(data_root, tmp_path):
    choices = ["--reconstruction-loss", "ms-ssim", "--augment", "flip,gain"]
    choices += ["--corrupt-noise", 0.1, "--corrupt-masked", 0.2]
    told = succeed("train", *QUICK, "--data-root", data_root, *choices, "--out", tmp_path / "run")
    for words in ("reconstruction_loss ms-ssim", "flip", "corrupt_noise 0.1"):
        assert words in told
    assert (tmp_path / "run" / "train.json").is_file()


def test_a_compiled_network_learns_the_same(data_root, tmp_path, monkeypatch):
    """By the compiler that changes nothing of the arithmetic: torch's own writes kernels, and rounds otherwise."""
    seen, compiler = [], torch.compile
    monkeypatch.setattr(loop, "COMPILER", "eager")
    monkeypatch.setattr(torch, "compile", lambda made, **how: seen.append(made) or compiler(made, **how))
    asked = [*QUICK, *EXACT, "--data-root", data_root]
    assert ", not compiled" in succeed("train", *asked, "--out", tmp_path / "plain") and not seen
    assert ", compiled" in succeed("train", *asked, "--compile", "--out", tmp_path / "compiled")
    assert len(seen) > 1  # a first look, and the network
    check_same_run(tmp_path / "compiled", tmp_path / "plain")


def test_a_machine_that_cannot_compile_is_told_so_before_anything_is_learned(data_root, tmp_path, monkeypatch):
    def refuse(*args, **options):
        raise torch._dynamo.exc.BackendCompilerFailed("inductor", RuntimeError("no C++ compiler"), None)

    monkeypatch.setattr(torch, "compile", refuse)
    asked = [*QUICK, "--data-root", data_root, "--compile", "--out", tmp_path / "run"]
    assert refused(call("train", *asked), "leave out --compile")
    assert not (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (["--augment", "spin"], "no augmentation 'spin'"),
        (["--reconstruction-loss", "best"], "--reconstruction-loss"),
        (["--corrupt-masked", 1], "--corrupt-masked"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(door, data_root, tmp_path, choice, words):
    result = door("train", *QUICK, "--data-root", data_root, *choice, "--out", tmp_path / "run")
    assert refused(result, words) and not (tmp_path / "run").exists()


# ---- what it computes with ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "in_fp32", "in_bf16"),
    [
        (lambda: AAE(32, 3, 8, 8), "channels first", "channels last"),
        (lambda: FactoredAAE(32, 3, 8, 8, coordinates={"rotation": 0.0}), "channels last", "channels last"),
        (lambda: AAE(64, 2, 8, 8, kind="signal"), "channels first", "channels first"),
    ],
    ids=["plain", "factored", "signals"],
)
def test_the_layout_that_is_told_is_that_of_the_weights(model, in_fp32, in_bf16):
    assert (_layout_in_words(model(), "fp32"), _layout_in_words(model(), "bf16")) == (in_fp32, in_bf16)
