"""Laws of what a baseline is asked ahead of the walks: it is what they would ask, and is not asked a second time."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from helpers.command_line import EXACT, TINY, succeed
from helpers.sharing import copy_of, in_bf16

from xaae.experiment.device import autocast_in
from xaae.experiment.vocabulary import WEIGHTS
from xaae.latent_nav import codes, item_results, kept_answers, led_walks
from xaae.latent_nav.encoded_run import ask_ahead, encode_run, find_directions
from xaae.training.trained_run import open_trained_run


@pytest.fixture(autouse=True)
def kept(monkeypatch):
    """What this process keeps: nothing at first, whatever other tests have left."""
    monkeypatch.setattr(kept_answers, "_KEPT", kept := {})
    return kept


@pytest.fixture(scope="module")
def factored_models(data_root, tmp_path_factory):
    """A run folder with a code of two coordinates, which change the items that a baseline is asked about."""
    folder = tmp_path_factory.mktemp("factored") / "run"
    code = ["--code", "factored", "--coordinates", "tint,rotation"]
    succeed("train", *TINY, *code, "--dataset", "synthpets", "--data-root", data_root, "--out", folder, *EXACT)
    return folder


def what_walks_ask(run):
    """(what the baseline says of the randomised items, the numbers of the impact curves) of a run folder."""
    trained = open_trained_run(run)
    with autocast_in(trained.config.precision):  # as `navigate` asks
        encoded = encode_run(trained)
        find_directions(encoded, ["lda"])
        leader = led_walks.leading(encoded, "baseline")
        said = next(said for asked, said in encoded.answered.values() if asked is leader)
        return said, item_results.impact_all(encoded)


@pytest.fixture
def asked(monkeypatch):
    """How often a baseline was asked, by what asked it."""
    counts = {"ask_leader": 0, "last_layer_inputs": 0}

    def counted(name, function, *given):
        counts[name] += 1
        return function(*given)

    for place, name in ((led_walks, "ask_leader"), (codes, "last_layer_inputs")):
        monkeypatch.setattr(place, name, partial(counted, name, getattr(place, name)))
    return counts


@pytest.mark.parametrize(("made_by", "as_it_computes"), [("toy_models", in_bf16), ("factored_models", Path)])
def test_before_there_is_an_aae_a_baseline_says_what_the_walks_will_ask(
    request, tmp_path, threads, asked, kept, made_by, as_it_computes
):
    threads(1)
    run = as_it_computes(copy_of(request.getfixturevalue(made_by), tmp_path / "run"))
    said, numbers = what_walks_ask(run)
    assert asked == {"ask_leader": 1, "last_layer_inputs": 2} and not kept
    (run / WEIGHTS["aae"]).rename(tmp_path / "aae")
    (run / "train.json").rename(tmp_path / "train.json")
    ask_ahead(run)
    assert asked == {"ask_leader": 2, "last_layer_inputs": 4}
    (tmp_path / "aae").rename(run / WEIGHTS["aae"])
    (tmp_path / "train.json").rename(run / "train.json")
    said_again, by_kept = what_walks_ask(run)
    assert asked == {"ask_leader": 2, "last_layer_inputs": 4} and not kept
    assert np.array_equal(said_again, said) and by_kept == numbers


def test_the_factors_that_are_moved_are_those_of_the_code_in_its_order(factored_models, monkeypatch):
    given, usual = [], led_walks.randomised_items
    monkeypatch.setattr(led_walks, "randomised_items", lambda *args: given.append(args[3]) or usual(*args))
    trained = open_trained_run(factored_models)
    led_walks.ask_baseline_ahead(trained)
    assert given == [[each.name for each in trained.model().coordinates]] and len(given[0]) == 2


def test_what_other_weights_answered_is_not_taken(toy_models, tmp_path, asked, kept):
    run = copy_of(toy_models, tmp_path / "run")
    ask_ahead(run)
    weights = (run / WEIGHTS["baseline"]).read_bytes()
    (run / WEIGHTS["baseline"]).unlink()
    (run / WEIGHTS["baseline"]).write_bytes(weights)
    what_walks_ask(run)
    assert asked == {"ask_leader": 2, "last_layer_inputs": 4} and len(kept) == 2


def test_without_a_baseline_nothing_is_asked(toy_models, tmp_path, asked, kept):
    run = copy_of(toy_models, tmp_path / "run")
    (run / WEIGHTS["baseline"]).unlink()
    ask_ahead(run)
    assert not any(asked.values()) and not kept
