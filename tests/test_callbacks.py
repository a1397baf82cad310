"""Laws of the training loop: who moves whose weights, what the log holds, what validation leaves alone."""

import inspect

import numpy as np
import pandas as pd
import pytest
import torch
from fastai.callback.core import Callback, event
from helpers.pictures import save_pictures

from xaae import callbacks, data
from xaae import model as models
from xaae.factors import bias as biases
from xaae.sources import picture_files
from xaae.training import learner as fitting


@pytest.fixture(scope="module")
def loaders(tmp_path_factory):
    """A function that makes small DataLoaders, one-hot or not."""
    folder = save_pictures(tmp_path_factory.mktemp("loop") / "pictures")

    def make(one_hot=False):
        table = data.load_table(str(folder))
        table, pixels, _ = picture_files.sift(table, 16, 3, quiet=True)
        planted = biases.make_bias(["left", "right"])
        table = data.plant(table, planted)
        return data.dataloaders(table, pixels, planted, ["left", "right"], bs=8, one_hot=one_hot)

    return make


def learner(dls, tmp_path, **game):
    return fitting.aae_learner(dls, models.AAE(16, 3, 4, 4), tmp_path, callbacks.Adversarial(**game) if game else None)


def weights(*parts):
    return [p.detach().clone() for part in parts for p in part.parameters()]


def moved(before, *parts):
    return any(not torch.equal(a, b) for a, b in zip(before, weights(*parts), strict=True))


def quiet_fit(learn, epochs=1, **kwargs):
    with learn.no_bar(), learn.no_logging():
        learn.fit(epochs, 1e-3, **kwargs)


@pytest.mark.parametrize("one_hot", [False, True])
def test_training_moves_every_part(loaders, tmp_path, one_hot):
    learn = learner(loaders(one_hot), tmp_path)
    for part in (learn.model.encoder, learn.model.decoder, learn.model.head, learn.model.discriminator):
        before = weights(part)
        quiet_fit(learn)
        assert moved(before, part)


def test_the_discriminators_step_leaves_the_autoencoder_alone(loaders, tmp_path):
    learn = learner(loaders(), tmp_path)
    net, before = learn.model, weights(learn.model.encoder, learn.model.decoder, learn.model.head)
    discriminator = weights(net.discriminator)
    with learn.no_bar(), learn.no_logging():
        learn.fit(1, 0.0, wd=0.0)  # the autoencoder's own optimiser stands still
    assert not moved(before, net.encoder, net.decoder, net.head)
    assert moved(discriminator, net.discriminator)


def test_the_autoencoders_step_leaves_the_discriminator_alone(loaders, tmp_path):
    learn = learner(loaders(), tmp_path, lr=0.0, weight=1.0)
    before, encoder = weights(learn.model.discriminator), weights(learn.model.encoder)
    quiet_fit(learn)
    assert moved(encoder, learn.model.encoder)
    assert not moved(before, learn.model.discriminator)


def test_the_adversary_reaches_the_encoder(loaders, tmp_path):
    learn = learner(loaders(), tmp_path, weight=1.0)
    learn.loss_func.reconstruction = learn.loss_func.classification = 0.0
    encoder, decoder = weights(learn.model.encoder), weights(learn.model.decoder)
    with learn.no_bar(), learn.no_logging():
        learn.fit(1, 1e-2, wd=0.0)
    assert moved(encoder, learn.model.encoder) and not moved(decoder, learn.model.decoder)


def test_validation_moves_nothing(loaders, tmp_path):
    learn = learner(loaders(), tmp_path)
    quiet_fit(learn)
    before = {k: v.clone() for k, v in learn.model.state_dict().items()}
    with learn.no_bar(), learn.no_logging():
        learn.validate()
        learn.get_preds()
    assert all(torch.equal(before[k], v) for k, v in learn.model.state_dict().items())


def test_the_loss_of_each_item_averages_to_the_loss(loaders, tmp_path):
    learn = learner(loaders(), tmp_path)
    quiet_fit(learn)
    with learn.no_bar(), learn.no_logging():
        preds, y, each = learn.get_preds(with_loss=True)
        total = learn.validate()[0]
    assert each.shape == (len(y),) and each.std() > 0 and float(each.mean()) == pytest.approx(total, rel=1e-3)
    assert len(preds) == 3 and torch.allclose(preds[0].sum(1), torch.ones(len(y)))


def test_the_log_names_every_loss_and_metric(loaders, tmp_path):
    learn = learner(loaders(), tmp_path)
    with learn.no_bar(), learn.no_logging():
        history = fitting.fit_aae(
            learn, [fitting.Stage("one", 1, 1e-3, 30, 0.2, 0.1), fitting.Stage("two", 2, 1e-3, 30, 0.2, 0.1)]
        )
    assert list(history.stage) == ["one", "two", "two"] and list(history.epoch) == [1, 2, 3]
    names = [
        *callbacks.PARTS,
        "accuracy",
        "precision",
        "recall",
        "discriminator_accuracy",
        "code_mean_norm",
        "code_cov_error",
    ]
    assert {f"{part}_{name}" for part in ("train", "valid") for name in names} <= set(history)
    assert np.isfinite(history.drop(columns=["stage", "time"]).to_numpy(dtype=float)).all()
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "history.csv"), history)
    assert len(list((tmp_path / "samples").glob("epoch_*.png"))) == 3


def test_the_reported_reconstruction_is_the_mean_squared_error(loaders, tmp_path):
    learn = learner(loaders(), tmp_path)
    quiet_fit(learn)
    with learn.no_bar():
        reported = dict(zip(["loss", *learn.metrics.attrgot("name")], learn.validate(), strict=True))["reconstruction"]
    with torch.no_grad():
        errors = [
            (learn.model.eval()(x.as_subclass(torch.Tensor))[1] - x).square().mean((1, 2, 3))
            for x, _ in learn.dls.valid
        ]
    assert reported == pytest.approx(float(torch.cat(errors).mean()), rel=1e-4)


def test_a_stage_with_all_of_fastais_callbacks(loaders, tmp_path):
    learn = learner(loaders(), tmp_path)
    stage = fitting.Stage("careful", 2, None, 1.0, 0.1, 0.001, accumulate=16, patience=1)
    with learn.no_bar(), learn.no_logging():
        assert 1 <= len(fitting.fit_aae(learn, [stage])) <= 2


def test_bfloat16_trains_too(loaders, tmp_path):
    learn = fitting.aae_learner(loaders(), models.AAE(16, 3, 4, 4), tmp_path, precision="bf16")
    before = weights(learn.model.encoder)
    quiet_fit(learn)
    assert moved(before, learn.model.encoder) and learn.model.encoder.code.weight.dtype == torch.float32


def test_every_public_method_of_a_callback_is_an_event():
    own = {"discriminator_loss"}
    for cls in (c for c in vars(callbacks).values() if inspect.isclass(c) and issubclass(c, Callback)):
        methods = {n for n, f in vars(cls).items() if inspect.isfunction(f) and not n.startswith("_")}
        assert methods - own <= set(dir(event)), cls


def test_a_healthy_code_scores_nought(loaders, tmp_path):
    torch.manual_seed(0)
    learn = learner(loaders(), tmp_path)
    game = learn.adversarial
    game.code, game.onehot = 3 * torch.randn(20000, 4) + torch.tensor([2.0, 0, 0, 0]), torch.zeros(20000, 2)
    found = {}
    for what in ("mean", "covariance"):
        metric = callbacks.CodeMoments(what)
        metric.reset()
        metric.accumulate(learn)
        found[what] = metric.value
    assert found["mean"] == pytest.approx(2.0, abs=0.1) and found["covariance"] == pytest.approx(8.0, abs=0.3)
