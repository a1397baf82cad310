"""`audit --unknown`: what a run's direction changes, with nulls, and what cannot be known."""

import json
import re
import shlex
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers.html_laws import words_of
from helpers.sharing import copy_of

from xaae.audit import class_differences, unknown_factor
from xaae.audit.unknown_sentences import caution_sentences, limit_sentences, next_steps, unknown_in_words
from xaae.experiment.kinds import SIGNAL, VOLUME
from xaae.factors.class_separation import judge_difference, reading_separation
from xaae.factors.meters import meters_for
from xaae.factors.registry import FACTORS
from xaae.latent_nav.contrasts import contrast
from xaae.report import write_unknown_page


def files(folder):
    """The bytes of every file of a folder that is not `unknown`'s own, by its path; the manifest grows anyway."""
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.stem not in ("unknown", "manifest")}


@pytest.fixture(scope="module")
def asked(toy_run, tmp_path_factory):
    """A run that has been asked, what was found, and its other files before that."""
    folder = tmp_path_factory.mktemp("unknown") / "run"
    copy_of(toy_run, folder)
    before = files(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unknown_factor, "STARTS", 8)
        patch.setattr(class_differences, "FEWEST_ITEMS", 3)  # the toy holds out 3 dogs
        found = unknown_factor.ask_unknown(folder, fits=4)
    write_unknown_page(folder)
    return folder, found, before


def row(meter="luminance", change=0.1, **more):
    """A row of a naming table, as far as `unknown` reads it."""
    return {"meter": meter, "change": change, "named": True, **more}


def fake(named=(), change=0.1, real=None, **more):
    """What the sentences read of unknown.json."""
    found = {"named": list(named), "meters": [row(m, change) for m in named or ["tag"]], "real": real or {}}
    found |= {"first": "cat", "last": "dog", "contrast": "cat to dog", "classes": ["cat", "dog"], "dataset": "my data"}
    found |= {"recon_mse": 0.01, "variance": 0.05, "arm": "normal", "factor": "rotation", "flips": 1.0}
    return found | {"shuffled": {"directions": 20, "that_name_something": 0}} | more


def test_every_meter_stands_beside_its_nulls(asked):
    folder, found, _ = asked
    kept = json.loads((folder / "unknown.json").read_text())
    assert {m["meter"] for m in kept["meters"]} >= {"rotation", "luminance", "tag"}
    assert all(0 < m["p_any"] <= 1 and m["change_ci"][0] <= m["change_ci"][1] for m in kept["meters"])
    assert all(0 <= m["shuffled_named"] <= 4 and 1 / 5 <= m["p_shuffled"] <= 1 for m in kept["meters"])
    assert kept["shuffled"]["directions"] == 4 == len(kept["shuffled"]["named"])
    assert kept["named"] == [m["meter"] for m in kept["meters"] if m["named"]] and found["contrast"] == "cat to dog"
    assert set(kept["real"]) == {"luminance", "contrast", "sharpness", "saturation", "warmth", "edge_darkness", "tag"}
    assert all(0 <= r["low"] <= r["high"] <= 1 and r["p"] <= r["p_holm"] <= 1 for r in kept["real"].values())


def test_enough_random_directions_for_something_to_be_named(asked):
    assert 1 / (asked[1]["random_directions"] + 1) < unknown_factor.naming.RULE.p_any


def test_what_navigate_left_is_not_touched(asked):
    folder, _, before = asked
    assert files(folder) == before


def test_page_and_words_say_what_cannot_be_known(asked):
    folder, found, _ = asked
    page, words = (folder / "unknown.html").read_text(), unknown_in_words(found)
    assert "data:image" in page and not re.search(r"(?:src|href)=.https?:", page)
    for text in (page, words):
        assert "What this cannot know" in text and "shuffled labels" in text and "mean squared error" in text
        assert "control models" in text and "cause" in text and "--arm irrelevant" in text


def test_the_page_escapes_what_the_run_holds(asked, tmp_path):
    kept = json.loads((asked[0] / "unknown.json").read_text())
    (tmp_path / "unknown.json").write_text(json.dumps(kept | {"last": "<b>dog", "dataset": "<script>"}))
    page = write_unknown_page(tmp_path).read_text()
    assert "&lt;b&gt;dog" in page and "<b>dog" not in page and "<script>" not in page and "<img" not in page


@pytest.mark.parametrize("kind", [SIGNAL, VOLUME], ids=lambda kind: kind.name)
def test_page_and_words_speak_of_the_kind_of_the_items(asked, tmp_path, kind):
    kept = json.loads((asked[0] / "unknown.json").read_text())
    assert kept["item_kind"] == "picture" and "real pictures" in (asked[0] / "unknown.html").read_text()
    kept |= {"item_kind": kind.name, "questions": []}  # those were asked about pictures
    kept |= {"cautions": caution_sentences(kept), "cannot": limit_sentences(kept), "next": next_steps(kept)}
    (tmp_path / "unknown.json").write_text(json.dumps(kept))
    page, words = words_of(write_unknown_page(tmp_path).read_text()), unknown_in_words(kept)
    assert (
        kept["arm"] == "biased"
        and "picture" not in page + words
        and f"the decoded {kind.name} " in words
        and f"real {kind.plural}" in page
    )
    factor = shlex.split(next_steps(fake(item_kind=kind.name))[0]["command"])[5]
    assert FACTORS[factor].fits(kind)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kind": "audit"}', '{"kind": "unknown"}'])
def test_a_broken_file_is_refused_in_one_sentence(tmp_path, text):
    (tmp_path / "unknown.json").write_text(text)
    with pytest.raises(ValueError, match="unknown.json .*again"):
        write_unknown_page(tmp_path)


def test_classes_that_differ_are_told_apart_and_the_same_are_not():
    rng = np.random.default_rng(0)
    cats, more, dogs = rng.normal(0, 1, 80), rng.normal(0, 1, 80), rng.normal(1.5, 1, 80)
    other, back, same = (reading_separation(*pair, rng) for pair in ((cats, dogs), (dogs, cats), (cats, more)))
    assert other["auroc"] > 0.75 and other["p"] < 0.01 and 0.5 < other["low"] <= other["auroc"] <= other["high"]
    assert back["auroc"] == pytest.approx(1 - other["auroc"]) and back["high"] < 0.5
    assert same["low"] < 0.5 < same["high"] and same["p"] > 0.05
    assert reading_separation(np.ones(9), np.ones(9), rng)["p"] == 1
    far, near = judge_difference({"auroc": 0.3}, 0.01), judge_difference({"auroc": 0.55}, 0.01)
    assert far["differs"] and not near["differs"] and not judge_difference({"auroc": 0.3}, 0.2)["differs"]


def test_only_the_first_and_the_last_class_are_compared():
    x = torch.rand(60, 1, 16, 16, generator=torch.Generator().manual_seed(0)) / 2
    x[20:40] += 0.5  # the class between is bright
    labels, meters = np.repeat(["a", "b", "c"], 20), meters_for(1)
    trained = SimpleNamespace(rows=lambda split: np.arange(60), planted=lambda rows: x[rows])
    encoded = SimpleNamespace(trained=trained, labels=labels, meters=meters, sides=contrast("", ["a", "b", "c"]))
    assert not class_differences.class_differences(encoded, np.random.default_rng(0))[0]["luminance"]["differs"]
    encoded.sides = contrast("a:b", ["a", "b", "c"])
    found = class_differences.class_differences(encoded, np.random.default_rng(0))[0]["luminance"]
    assert found["differs"] and found["auroc"] == 1
    trained.rows = lambda split: np.arange(24)  # four of b are held out
    assert class_differences.class_differences(encoded, np.random.default_rng(0))[0] == {}


def test_a_shuffled_direction_that_goes_further_speaks_against_a_row():
    tables = [[row(change=-0.5)], [row(change=0.01) | {"named": False}]]
    found = unknown_factor.beside_shuffled(row(change=0.1), tables)
    assert found["shuffled_named"] == 1 and found["p_shuffled"] == pytest.approx(2 / 3)


def test_what_is_said_of_the_classes_follows_the_real_pictures():
    differ, alike = ({"luminance": {"auroc": a, "differs": d}} for a, d in ((0.9, True), (0.5, False)))
    said = lambda **more: limit_sentences(fake(**more))[0]  # noqa: E731
    assert "pictures of dog read higher in luminance (AUROC 0.90)" in said(named=["luminance"], real=differ)
    assert "genuine property of the classes" in said(named=["luminance"], real=differ)
    assert "other way round" in said(named=["luminance"], real=differ, change=-0.1)
    assert "not found to differ" in said(named=["luminance"], real=alike)
    assert "only read between frames" in said(named=["rotation"], real=alike)
    assert "too few held out" in said(named=["luminance"])
    assert "does not clear the model" in said(real=alike)
    assert "differ in luminance, which the walk was not found" in limit_sentences(fake(real=differ))[1]


def test_limits_name_the_error_and_the_classes_left_out():
    said = " ".join(limit_sentences(fake(["tag"], classes=["cat", "cow", "dog"])))
    assert "0.0100, 20% of their variance" in said and "Of 3 classes only the first and the last" in said


def test_cautions_stand_where_they_are_due():
    assert caution_sentences(fake()) == []
    null = {"directions": 20, "that_name_something": 5}
    planted, lax, idle = caution_sentences(fake(arm="biased", shuffled=null, flips=0.1))
    assert "planted rotation itself" in planted and "5 of 20" in lax and "10%" in idle


def test_the_next_step_plants_what_was_named():
    train, _, audit = next_steps(fake(["scale", "sharpness"]))
    assert train["command"] == "python main.py --dataset 'my data' --factor blur --arm irrelevant"
    assert audit["command"] == "python main.py audit --dataset 'my data' --factors blur"


def test_the_next_run_is_as_long_and_as_large_as_this_one(asked):
    command = next_steps(asked[1])[0]["command"]
    assert "--preset smoke" in command and "--items 80 --epochs 1" in command


def test_another_option_beside_the_run_is_refused(door, asked):
    result = door("audit", "--unknown", asked[0], "--factors", "tag")
    assert result.exit_code == 2 and "leave out --factors" in result.stderr


def test_a_folder_that_is_no_run_is_refused(door, tmp_path):
    result = door("audit", "--unknown", tmp_path)
    assert result.exit_code == 2 and "not a run folder" in result.stderr
    assert not list(tmp_path.iterdir())
