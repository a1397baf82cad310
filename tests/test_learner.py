"""Laws of stages: what is logged is what is trained and watched, early stopping counts its epochs, the best is kept."""

from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
import torch
from fastai.callback.core import Callback
from fastai.learner import Learner
from helpers.loops import SIDES, quietly, small_learner, small_loaders, weights_of

from xaae import callbacks
from xaae.callbacks import BFloat16, KeepAnswers
from xaae.experiment.class_balance import class_balance
from xaae.training.fitting import final_metrics
from xaae.training.learner import Stage, find_rate, fit_aae
from xaae.training.thesis import thesis_stages

PRECISIONS = ["fp32", "bf16"]  # both on any machine: where bf16 is no faster it is still computed


@pytest.fixture(scope="module")
def dls(tmp_path_factory):
    return small_loaders(tmp_path_factory.mktemp("stages"))


def weighted(stage, found, part):
    """The sum that a stage trains, of numbers that are named as in the log: its weights times the parts of the loss."""
    names = ("reconstruction", "adversarial", "classification")
    return sum(getattr(stage, name) * found[f"{part}_{name}"] for name in names)


def test_the_log_names_every_loss_and_metric(dls, tmp_path):
    learn = small_learner(dls, tmp_path)
    stages = [Stage("one", 1, 1e-3, 30, 0.2, 0.1), Stage("two", 2, 1e-3, 30, 0.2, 0.1)]
    history = quietly(learn, fit_aae, learn, stages)
    assert list(history.stage) == ["one", "two", "two"] and list(history.epoch) == [1, 2, 3]
    health = ["discriminator_accuracy", "code_mean_norm", "code_cov_error"]
    names = [*callbacks.PARTS, "accuracy", "precision", "recall", *health]
    assert {f"{part}_{name}" for part in ("train", "valid") for name in names} <= set(history)
    assert np.isfinite(history.drop(columns=["stage", "time"]).to_numpy(dtype=float)).all()
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "history.csv"), history)
    assert len(list((tmp_path / "samples").glob("epoch_*.png"))) == 3


class Watch(Callback):
    """Notes of each batch its loss and the parts of that; of training also what is sent backwards, and the steps."""

    order = 60

    def __init__(self):
        self.losses, self.sent, self.steps = [], [], 0

    def noted(self, value):
        return float(value), {f"batch_{name}": float(part) for name, part in self.loss_func.parts.items()}

    def before_backward(self):
        self.sent.append(self.noted(self.learn.loss_grad))

    def after_step(self):
        self.steps += 1

    def after_batch(self):
        self.losses.append(self.noted(self.learn.loss))


def watched_fit(dls, folder, accumulate, precision="fp32"):
    """A stage of one epoch (4 batches, then one of validation): the stage, its history, what was noted."""
    learn, watch = small_learner(dls, folder, precision), Watch()
    learn.add_cb(watch)
    stage = Stage("all", 1, 1e-3, 3.0, 2.0, 0.5, accumulate=accumulate)
    return stage, quietly(learn, fit_aae, learn, [stage]), watch


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("accumulate", [0, 16, 32])
def test_the_loss_that_is_logged_is_the_weighted_sum_of_its_parts(dls, tmp_path, accumulate, precision):
    """Of training and of validation alike: what early stopping watches is the sum that is trained."""
    stage, history, watch = watched_fit(dls, tmp_path, accumulate, precision)
    found = [loss for loss, _ in watch.losses]
    np.testing.assert_allclose(found, [weighted(stage, parts, "batch") for _, parts in watch.losses], rtol=1e-4)
    assert len(found) == 5 and history.valid_loss[0] == pytest.approx(found[-1], rel=1e-4)
    np.testing.assert_allclose(history.valid_loss, weighted(stage, history, "valid"), rtol=1e-4)


@pytest.mark.parametrize(("accumulate", "batches"), [(0, 1), (8, 1), (16, 2), (32, 4)])
def test_accumulated_batches_weigh_as_one_large_batch(dls, tmp_path, accumulate, batches):
    """Every part of the loss is averaged over the batches of a step, the adversarial one too."""
    stage, _, watch = watched_fit(dls, tmp_path, accumulate)
    assert len(watch.sent) == 4 and watch.steps == 4 // batches
    expected = [weighted(stage, parts, "batch") / batches for _, parts in watch.sent]
    np.testing.assert_allclose([sent for sent, _ in watch.sent], expected, rtol=1e-4)


def epochs_until_stop(watched, patience, least=1e-4):
    """How many epochs a stage lasts whose watched numbers are these: the rule, written out."""
    best, waited = np.inf, 0
    for epoch, value in enumerate(watched, 1):
        best, waited = (value, 0) if value < best - least else (best, waited + 1)
        if waited == patience:
            return epoch
    return len(watched)


def test_the_rule_of_early_stopping():
    assert epochs_until_stop([3, 2, 1], 1) == 3 and epochs_until_stop([3, 2, 2, 1], 1) == 3
    assert epochs_until_stop([3, 4, 5, 6], 2) == 3 and epochs_until_stop([3, 4, 2, 3], 2) == 4


STILL = 1e-12  # a learning rate: the autoencoder stands, the discriminator learns


@pytest.mark.parametrize(
    ("lr", "adversarial", "patience"),
    [(3e-3, 0.1, 1), (3e-3, 5.0, 1), (3e-3, 5.0, 2), (STILL, 5.0, 1), (STILL, 5.0, 2)],
)
def test_a_stage_stops_when_what_it_trains_grows_no_better_and_keeps_the_best(dls, tmp_path, lr, adversarial, patience):
    torch.manual_seed(0)
    learn = small_learner(dls, tmp_path)
    stage = Stage("careful", 10, lr, 1.0, adversarial, 0.001, patience=patience)
    history = quietly(learn, fit_aae, learn, [stage])
    watched = weighted(stage, history, "valid")
    assert len(history) == epochs_until_stop(watched, patience)
    assert len(history) < stage.epochs or lr != STILL
    names = ["valid_loss", *(f"valid_{name}" for name in learn.metrics.attrgot("name"))]
    kept = dict(zip(names, quietly(learn, learn.validate), strict=True))
    assert weighted(stage, kept, "valid") == pytest.approx(watched.min(), abs=2e-4)


def test_a_stage_that_finds_its_rate_accumulates_and_stops_early_lasts_two_epochs_at_least(dls, tmp_path):
    """The first epoch is always the best so far, so that a patience of one needs a second."""
    learn = small_learner(dls, tmp_path)
    stage = Stage("careful", 2, None, 1.0, 0.1, 0.001, accumulate=16, patience=1)
    assert len(quietly(learn, fit_aae, learn, [stage])) == 2


@pytest.mark.parametrize("trained", [False, True], ids=["new", "trained"])
def test_finding_a_rate_changes_no_weight_and_no_optimiser(dls, tmp_path, monkeypatch, trained):
    """The discriminator's optimiser too: fastai knows of the autoencoder's alone."""
    find, learn = Learner.lr_find, small_learner(dls, tmp_path)
    monkeypatch.setattr(Learner, "lr_find", lambda learn, **options: find(learn, num_it=20, **options))
    if trained:
        quietly(learn, fit_aae, learn, [Stage("all", 1, 1e-3, 1.0, 0.1, 0.1)])
    state = lambda: deepcopy(  # noqa: E731
        [learn.model.state_dict(), learn.opt and list(learn.opt.state_dict()["state"]),
         [opt.state_dict() for opt in [getattr(learn.adversarial, "discriminator_opt", None)] if opt],
         learn.sample_grid.grids_drawn]
    )  # fmt: skip
    before = state()
    assert bool(before[2]) == trained and quietly(learn, find_rate, learn) > 0
    after = state()
    if not trained:
        assert not any("grad_avg" in each for each in after[1])
        before[1] = after[1]  # it has been made, and remembers nothing
    torch.testing.assert_close(after, before, rtol=0, atol=0)


def test_the_stages_of_the_thesis():
    stages = thesis_stages(100)
    assert [(s.name, s.epochs, s.patience) for s in stages] == [
        ("autoencoder", 100, 10),
        ("adversarial", 100, 10),
        ("classifier", 100, 10),
    ]
    assert [s.accumulate for s in stages] == [0, 64, 0] and stages[0].adversarial == 0 and stages[0].lr is None


def test_bfloat16_trains_too_and_keeps_its_weights_in_full(dls, tmp_path):
    learn = small_learner(dls, tmp_path, "bf16")
    before = weights_of(learn.model.encoder)
    quietly(learn, learn.fit, 1, 1e-3)
    assert any(not torch.equal(a, b) for a, b in zip(before, weights_of(learn.model.encoder), strict=True))
    assert learn.model.encoder.code.weight.dtype == torch.float32


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_final_numbers_are_in_full_precision_and_know_one_answer_to_all(dls, tmp_path, precision):
    learn = small_learner(dls, tmp_path, precision)
    quietly(learn, learn.fit, 1)
    torch.nn.init.zeros_(learn.model.head.weight)
    torch.nn.init.constant_(learn.model.head.bias, 0.0)
    learn.model.head.bias.data[1] = 1.0
    answers = KeepAnswers(2)
    last = final_metrics(learn, answers)
    with torch.no_grad():
        pairs = [
            (x.as_subclass(torch.Tensor), learn.model.eval()(x.as_subclass(torch.Tensor))[1]) for x, _ in dls.valid
        ]
    exact = sum(float(((x_hat - x) ** 2).mean()) * len(x) for x, x_hat in pairs) / sum(len(x) for x, _ in pairs)
    assert last["reconstruction"] == pytest.approx(exact, rel=1e-5)
    assert any(isinstance(each, BFloat16) for each in learn.cbs) == (precision == "bf16")  # it is as it was
    found = class_balance(answers.confusion.numpy(), SIDES)
    assert found["constant_answer"] == "right" and found["balanced_accuracy"] == 0.5
    assert int(answers.confusion.sum()) == len(dls.valid_ds) and last["accuracy"] == found["majority_share"]
