"""Laws of the training loop: who moves whose weights, what is reported, what validation leaves alone."""

import inspect
import pickle
from types import SimpleNamespace

import pytest
import torch
from fastai.callback.core import Callback, event
from helpers.loops import quietly, small_learner, small_loaders, weights_of
from torchmetrics.classification import MulticlassRecall

from xaae import callbacks
from xaae.callbacks.losses import AT_ONCE
from xaae.experiment.tasks import Target


@pytest.fixture(scope="module")
def loaders(tmp_path_factory):
    """A function that gives small DataLoaders, with one-hot targets or not."""
    found = {hot: small_loaders(tmp_path_factory.mktemp("loop"), target=Target(one_hot=hot)) for hot in (False, True)}
    return lambda one_hot=False: found[one_hot]


def moved(before, *parts):
    return any(not torch.equal(a, b) for a, b in zip(before, weights_of(*parts), strict=True))


@pytest.mark.parametrize("one_hot", [False, True])
def test_training_moves_every_part(loaders, tmp_path, one_hot):
    learn = small_learner(loaders(one_hot), tmp_path)
    for part in (learn.model.encoder, learn.model.decoder, learn.model.head, learn.model.discriminator):
        before = weights_of(part)
        quietly(learn, learn.fit, 1, 1e-3)
        assert moved(before, part)


def test_the_discriminators_step_leaves_the_autoencoder_alone(loaders, tmp_path):
    learn = small_learner(loaders(), tmp_path)
    net, before = learn.model, weights_of(learn.model.encoder, learn.model.decoder, learn.model.head)
    discriminator = weights_of(net.discriminator)
    with learn.no_bar(), learn.no_logging():
        learn.fit(1, 0.0, wd=0.0)  # the autoencoder's own optimiser stands still
    assert not moved(before, net.encoder, net.decoder, net.head)
    assert moved(discriminator, net.discriminator)


def test_the_autoencoders_step_leaves_the_discriminator_alone(loaders, tmp_path):
    learn = small_learner(loaders(), tmp_path, lr=0.0, weight=1.0)
    before, encoder = weights_of(learn.model.discriminator), weights_of(learn.model.encoder)
    quietly(learn, learn.fit, 1, 1e-3)
    assert moved(encoder, learn.model.encoder)
    assert not moved(before, learn.model.discriminator)


def test_the_adversary_reaches_the_encoder(loaders, tmp_path):
    learn = small_learner(loaders(), tmp_path, weight=1.0)
    learn.loss_func.reconstruction = learn.loss_func.classification = 0.0
    encoder, decoder = weights_of(learn.model.encoder), weights_of(learn.model.decoder)
    with learn.no_bar(), learn.no_logging():
        learn.fit(1, 1e-2, wd=0.0)
    assert moved(encoder, learn.model.encoder) and not moved(decoder, learn.model.decoder)


def test_validation_moves_nothing(loaders, tmp_path):
    learn = small_learner(loaders(), tmp_path)
    quietly(learn, learn.fit, 1, 1e-3)
    before = {k: v.clone() for k, v in learn.model.state_dict().items()}
    with learn.no_bar(), learn.no_logging():
        learn.validate()
        learn.get_preds()
    assert all(torch.equal(before[k], v) for k, v in learn.model.state_dict().items())


def test_the_loss_of_each_item_averages_to_the_loss_without_its_adversarial_part(loaders, tmp_path):
    """That part is the whole batch's."""
    learn = small_learner(loaders(), tmp_path)
    quietly(learn, learn.fit, 1, 1e-3)
    with learn.no_bar(), learn.no_logging():
        preds, y, each = learn.get_preds(with_loss=True)
        total = dict(zip(["loss", *learn.metrics.attrgot("name")], learn.validate(), strict=True))
    own = total["loss"] - learn.adversarial.weight * total["adversarial"]
    assert each.shape == (len(y),) and each.std() > 0 and float(each.mean()) == pytest.approx(own, rel=1e-3)
    assert len(preds) == 3 and torch.allclose(preds[0].sum(1), torch.ones(len(y)))


def test_the_reported_reconstruction_is_the_mean_squared_error(loaders, tmp_path):
    learn = small_learner(loaders(), tmp_path)
    quietly(learn, learn.fit, 1, 1e-3)
    with learn.no_bar():
        reported = dict(zip(["loss", *learn.metrics.attrgot("name")], learn.validate(), strict=True))["reconstruction"]
    with torch.no_grad():
        errors = [
            (learn.model.eval()(x.as_subclass(torch.Tensor))[1] - x).square().mean((1, 2, 3))
            for x, _ in learn.dls.valid
        ]
    assert reported == pytest.approx(float(torch.cat(errors).mean()), rel=1e-4)


def test_every_public_method_of_a_callback_is_an_event():
    """A misspelt one would be silent."""
    own = {"discriminator_loss"}
    found = [c for c in vars(callbacks).values() if inspect.isclass(c) and issubclass(c, Callback)]
    assert callbacks.Adversarial in found and len(found) > 3
    for cls in found:
        methods = {n for n, f in vars(cls).items() if inspect.isfunction(f) and not n.startswith("_")}
        assert methods - own <= set(dir(event)), cls


@pytest.mark.parametrize(("spread", "shift", "mean", "covariance"), [(1.0, 0.0, 0.0, 0.0), (3.0, 2.0, 2.0, 8.0)])
def test_moments_tell_how_far_codes_are_from_the_prior(loaders, tmp_path, spread, shift, mean, covariance):
    learn, rng = small_learner(loaders(), tmp_path), torch.Generator().manual_seed(0)
    learn.adversarial.code = spread * torch.randn(20000, 4, generator=rng) + torch.tensor([shift, 0, 0, 0])
    learn.adversarial.onehot = torch.zeros(20000, 2)
    for what, expected in (("mean", mean), ("covariance", covariance)):
        metric = callbacks.CodeMoments(what)
        metric.reset()
        metric.accumulate(learn)
        assert metric.value == pytest.approx(expected, abs=0.1 * spread)


@pytest.mark.parametrize("what", ["mean", "covariance"])
def test_moments_of_many_batches_are_those_of_all_codes_and_take_no_more_memory(loaders, tmp_path, what):
    learn, metric = small_learner(loaders(), tmp_path), callbacks.CodeMoments(what)
    codes = torch.rand(640, 4, generator=torch.Generator().manual_seed(0)) + 3
    values = []
    for size in (640, 16):
        metric.reset()
        for batch in codes.split(size):
            learn.adversarial.code, learn.adversarial.onehot = batch, torch.zeros(len(batch), 2)
            metric.accumulate(learn)
        values.append(metric.value)
    off = torch.cov(codes.T) - torch.eye(4)
    expected = {"mean": codes.mean(0).norm(), "covariance": off.norm() / 2}[what]
    assert values == pytest.approx([float(expected)] * 2, rel=1e-4)
    assert len(pickle.dumps(vars(metric))) < 16 * codes[0].nbytes * 8


@pytest.mark.parametrize("one_hot", [False, True])
def test_the_grid_of_samples_shows_every_class_where_items_are_sorted_by_class(loaders, tmp_path, one_hot):
    learn = small_learner(loaders(one_hot), tmp_path)
    x, y = (torch.cat(parts) for parts in zip(*learn.dls.valid, strict=True))
    number = y.argmax(1) if one_hot else y
    order = number.sort(stable=True).indices
    learn.dls.valid.get_idxs = lambda: order.tolist()  # the items of one class, then those of the other
    grid = callbacks.SampleGrid(tmp_path / "samples", n=4)
    grid.learn = learn
    grid.before_fit()
    del learn.dls.valid.get_idxs
    first = x[order][number[order] == 0]
    shown = [any(torch.equal(item, each) for each in first) for item in grid.sample_input]
    assert shown == [True, False, True, False]


@pytest.mark.parametrize("batches", [1, AT_ONCE, 2 * AT_ONCE + 3])
def test_a_metric_says_of_batches_that_it_is_told_of_together_what_it_would_say_of_each(batches):
    rng = torch.Generator().manual_seed(0)
    metric = callbacks.TorchMetric("recall", MulticlassRecall(3))
    for epoch in range(2):
        metric.reset()
        given = [
            (torch.randn(4 + n % 3, 3, generator=rng), torch.arange(4 + n % 3) % 3) for n in range(batches + epoch)
        ]
        for n, (logits, y) in enumerate(given):
            metric.accumulate(SimpleNamespace(pred=(logits, None) if n % 2 else logits, yb=(y,)))
        logits, y = (torch.cat(each) for each in zip(*given, strict=True))
        expected = float(MulticlassRecall(3)(logits.argmax(1), y))
        assert metric.value == metric.value == pytest.approx(expected, abs=1e-6)
