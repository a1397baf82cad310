"""Laws of the ResNet34 that the AAE is set beside: it trains as long as was asked, and only a failed fetch is one."""

import http.client
import pickle
import ssl
import urllib.error
from contextlib import nullcontext
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from helpers.loops import quietly, small_loaders

from xaae.experiment.settings import baseline_from_scratch
from xaae.experiment.tasks import Target
from xaae.training import fitting, learner

TARGET = Target(classes=("left", "right"))
FETCHING = "torchvision.models._api.load_state_dict_from_url"
FAILURES = [
    urllib.error.URLError("Name or service not known"),
    urllib.error.HTTPError("http://x", 403, "Forbidden", None, None),
    ssl.SSLCertVerificationError("self-signed certificate"),
    TimeoutError("timed out"),
    ConnectionResetError("reset"),
    PermissionError(13, "Permission denied", "/root/.cache"),
    http.client.IncompleteRead(b"half"),
    RuntimeError('invalid hash value (expected "b627a593", got "00000000")'),
    EOFError("Ran out of input"),
    pickle.UnpicklingError("invalid load key, '<'."),
]


pytestmark = pytest.mark.usefixtures("small_baseline")  # laws of how it is fetched and trained, whatever its depth


@pytest.fixture(scope="module")
def dls(tmp_path_factory):
    return small_loaders(tmp_path_factory.mktemp("baseline"))


def fitted(dls, folder, epochs, pretrained):
    """The history of a baseline of so many epochs."""
    learn, has, _ = learner.BASELINE_LEARNERS["picture"](
        dls, Target(classes=("left", "right")), 3, folder, "fp32", pretrained=False
    )
    assert not has
    return quietly(learn, learner.fit_baseline, learn, epochs, pretrained)


@pytest.mark.parametrize("pretrained", [False, True])
@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_a_baseline_trains_as_many_epochs_as_were_asked(dls, tmp_path, epochs, pretrained):
    history = fitted(dls, tmp_path, epochs, pretrained)
    assert list(history.epoch) == list(range(1, epochs + 1))
    head = ["head"] if pretrained and epochs > 1 else []
    assert list(history.stage) == [*head, *["baseline"] * (epochs - len(head))]
    assert len(pd.read_csv(tmp_path / "baseline_history.csv")) == epochs
    assert [p.name for p in tmp_path.glob("history_*.csv")] == []


def test_one_epoch_of_a_pretrained_baseline_moves_the_whole_network(dls, tmp_path):
    learn, _, _ = learner.BASELINE_LEARNERS["picture"](dls, TARGET, 3, tmp_path, "fp32", pretrained=False)
    body = next(p for p in learn.model[0].parameters() if p.ndim == 4)
    before = body.detach().clone()
    quietly(learn, learner.fit_baseline, learn, 1, True)
    assert not torch.equal(before, body)


@pytest.mark.parametrize("error", FAILURES, ids=lambda e: type(e).__name__)
def test_weights_that_cannot_be_fetched_are_done_without(dls, tmp_path, monkeypatch, error):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(FETCHING, fail)
    _, has, note = learner.BASELINE_LEARNERS["picture"](dls, TARGET, 3, tmp_path)
    assert not has and f"could not be fetched: {type(error).__name__}" in note


@pytest.mark.parametrize("error", [OSError("disk"), RuntimeError("out of memory"), TypeError("bug"), KeyError("bug")])
def test_what_fails_elsewhere_is_no_failed_fetch(dls, tmp_path, monkeypatch, error):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(FETCHING, lambda *args, **kwargs: {})
    monkeypatch.setattr(learner, "vision_learner", fail)
    with pytest.raises(type(error), match=str(error.args[0])):
        learner.BASELINE_LEARNERS["picture"](dls, TARGET, 3, tmp_path)


@pytest.mark.parametrize("error", [TypeError("bug"), AttributeError("bug"), KeyError("bug")])
def test_a_bug_in_fetching_surfaces_too(dls, tmp_path, monkeypatch, error):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(FETCHING, fail)
    with pytest.raises(type(error)):
        learner.BASELINE_LEARNERS["picture"](dls, TARGET, 3, tmp_path)


FROM_SCRATCH, USUAL = ((2, 0.5), "2 epochs at a learning rate of up to 0.5, in place of 3"), ((3,), "3 epochs")


@pytest.mark.parametrize(
    ("has", "recipe", "expected"),
    [(False, FROM_SCRATCH[0], FROM_SCRATCH), (True, FROM_SCRATCH[0], USUAL), (False, (), USUAL)],
)
def test_a_baseline_without_imagenet_weights_may_have_a_recipe_of_its_own(monkeypatch, capsys, has, recipe, expected):
    config = SimpleNamespace(
        baseline_epochs=3,
        baseline_from_scratch=recipe,
        kind="picture",
        pretrained=True,
        input_channels=3,
        precision="fp32",
        compiled=False,
    )
    learn, told = SimpleNamespace(add_cbs=lambda cbs: None), []
    monkeypatch.setitem(learner.BASELINE_LEARNERS, "picture", lambda *args: (learn, has, "as told"))
    monkeypatch.setattr(
        learner, "fit_baseline", lambda _, epochs, pretrained, *rate, **given: told.append((epochs, *rate))
    )
    for name in ("run_loaders", "_balance_of", "target_of"):
        monkeypatch.setattr(fitting, name, lambda *args: None)
    monkeypatch.setattr(fitting, "silence", lambda *args: nullcontext())
    with pytest.raises(AttributeError, match="model"):  # of a learner that is none, when it has been told
        fitting._train_baseline(SimpleNamespace(config=config), None, True, SimpleNamespace(facts={}))
    assert told == [expected[0]] and capsys.readouterr().out == f"ResNet34: as told, {expected[1]}\n"


def test_drawn_pets_are_learned_from_scratch_in_two_epochs_and_other_items_as_ever():
    assert baseline_from_scratch("synthpets", 2400) == (2, 8e-3) and baseline_from_scratch("pets", 2400) == ()
