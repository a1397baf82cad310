"""Laws of the part that changes one thing in the real item: what is planted, who answers, and what the page says."""

import json
import shlex
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers.html_laws import HOSTILE, Page
from helpers.sharing import copy_of
from helpers.toys import small_aae

from xaae import model as models
from xaae.app.changed_fragments import ChangedStage, introduction, slider_label, verdict_words
from xaae.app.changed_items import POINTS, ChangedItems
from xaae.app.explored_run import answering, open_changed_items, scan_verdicts
from xaae.experiment.device import autocast_in
from xaae.experiment.kinds import PICTURE, SIGNAL
from xaae.experiment.vocabulary import FILLS, MODELS
from xaae.factors.bias import Bias
from xaae.factors.meters import meter_named
from xaae.factors.registry import FACTORS, factors_for
from xaae.scan.factor_scan import ScanItems
from xaae.training.trained_run import open_trained_run

SIZE, N = 16, 6
VALUES = np.array([12.34, 100, 45, 170, 3, 95])
BIAS = Bias({"cat": (0, 90), "dog": (90, 180)})


def by_light(x):
    """A classifier of two classes: the brighter a picture, the more it is the last one. x -> probabilities (B, 2)."""
    p = x.mean((1, 2, 3))
    return torch.stack([1 - p, p], 1)


def by_corner(x):
    """Another one, which sees the upper left corner only."""
    return by_light(x[:, :, :4, :4])


def items(channels=3, bias=BIAS, classes=("cat", "dog"), answers=None):
    """ChangedItems of a few random pictures."""
    x = torch.rand(N, channels, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    answers = answers or {"aae": by_light, "baseline": by_corner}
    return ChangedItems(answers, list(classes), PICTURE, channels, lambda rows: x[rows], VALUES, bias)


def amounts(changes, original, **values):
    """The sliders where the page puts them for an original, but these factors at these values."""
    pairs = zip(changes.sliders, original.starts, strict=True)
    return [values.get(slider.factor, slider.place(start)) for slider, start in pairs]


def scanned(changes, row, factor, value):
    """The item of a row with a factor at a value, as a scan changes it: (C, *places)."""
    of_scan = ScanItems(changes.upright(np.array([row])), np.array(["cat"]), VALUES[[row]], changes.bias)
    return of_scan.changed(factor, np.array([value]))[0]


# ---- what is planted --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", factors_for(PICTURE, 3))
def test_the_changed_item_is_what_the_scan_asks_about(factor):
    changes = items()
    original, value = changes.start(1, "cat, row 1"), FACTORS[factor].whole[1] / 2
    view = changes.view(original, amounts(changes, original, **{factor: value}))
    torch.testing.assert_close(view.x, scanned(changes, 1, factor, value), atol=0, rtol=0)
    assert view.moved == {factor: value} and not torch.equal(view.x, original.x)


def test_several_factors_are_planted_one_after_the_other_and_the_runs_own_last():
    changes = items()
    original = changes.start(0, "")
    view = changes.view(original, amounts(changes, original, rotation=90, brightness=0.3, blur=5))
    x = FACTORS["brightness"].plant(original.upright[None], torch.tensor([0.3]))
    x = BIAS.plant(FACTORS["blur"].plant(x, torch.tensor([5.0])), torch.tensor([90.0]))
    torch.testing.assert_close(view.x, x[0], atol=0, rtol=0)


@pytest.mark.parametrize("fill", FILLS)
def test_a_planted_factor_takes_the_place_of_the_planted_value(fill):
    changes = items(bias=replace(BIAS, fill=fill))
    original = changes.start(3, "")
    view = changes.view(original, amounts(changes, original, rotation=40))
    expected = changes.bias.plant(original.upright[None], torch.tensor([40.0]))[0]
    torch.testing.assert_close(view.x, expected, atol=0, rtol=0)


@pytest.mark.parametrize("arm", ["biased", "normal", "irrelevant"])
@pytest.mark.parametrize("fill", FILLS)
def test_sliders_at_their_starts_change_nothing(arm, fill):
    """Also where a planted value lies between two steps of its slider; and an emptied number counts as the start."""
    bias = replace(BIAS, arm=arm, fill=fill)
    changes = replace(items(bias=bias), values=VALUES if arm != "normal" else np.zeros(N))
    for original in (changes.start(0, ""), changes.start_from(torch.rand(3, SIZE, SIZE), "")):
        for places in (amounts(changes, original), original.starts, [None] * len(changes.sliders)):
            view = changes.view(original, places)
            assert view.moved == {} and view.x is original.x and view.answers is original.answers
    asked = torch.tensor(changes.values[:1], dtype=torch.float32)
    as_planted = changes.bias.plant(changes.upright(np.array([0])), asked)[0]
    torch.testing.assert_close(changes.start(0, "").x, as_planted, atol=0, rtol=0)


def test_an_upload_starts_with_nothing_planted_and_can_be_given_the_runs_factor():
    changes, x = items(), torch.rand(3, SIZE, SIZE)
    original = changes.start_from(x, "uploaded picture")
    torch.testing.assert_close(original.x, x, atol=1e-5, rtol=0)
    assert all(start == FACTORS[s.factor].neutral for s, start in zip(changes.sliders, original.starts, strict=True))
    view = changes.view(original, amounts(changes, original, rotation=30))
    torch.testing.assert_close(view.x, BIAS.plant(x[None], torch.tensor([30.0]))[0], atol=0, rtol=0)


# ---- the sliders --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_there_is_a_slider_for_each_factor_that_the_items_can_be_given(channels):
    names = [slider.factor for slider in items(channels).sliders]
    assert names == factors_for(PICTURE, channels) and ("tint" in names) == (channels >= 3)


@pytest.mark.parametrize("planted", ["", "rotation", "jpeg", "tag"])
def test_a_slider_covers_the_whole_range_the_neutral_and_all_planted_values(planted):
    ranges = {"cat": (-30.26, 1), "dog": (0.5, 90)} if planted != "tag" else {"cat": (0, 0.4), "dog": (0.6, 1)}
    bias = Bias(ranges, arm="biased" if planted else "normal", factor=planted or "rotation")
    for slider in items(bias=bias).sliders:
        factor = FACTORS[slider.factor]
        inside = [*factor.whole, factor.neutral, *(bias.whole() if slider.factor == planted else ())]
        assert slider.low <= min(inside) and max(inside) <= slider.high
        assert slider.planted == (slider.factor == planted)
        steps = [(end - slider.low) / slider.step for end in (slider.high, factor.neutral)]
        np.testing.assert_allclose(steps, np.round(steps), atol=1e-6)  # a browser stops at whole steps only


def test_what_lies_beyond_a_slider_is_its_end():
    changes = items()
    original = changes.start(0, "")
    assert changes.view(original, amounts(changes, original, blur=99)).moved == {"blur": 10}


# ---- who answers --------------------------------------------------------------------------------------------------


def test_every_model_answers_the_changed_item():
    changes = items()
    original = changes.start(2, "")
    view = changes.view(original, amounts(changes, original, tag=1.0, brightness=-0.5))
    for name, answer in changes.answers.items():
        np.testing.assert_array_equal(view.answers[name], answer(view.x[None])[0])
        np.testing.assert_array_equal(original.answers[name], answer(original.x[None])[0])
        assert not np.array_equal(view.answers[name], original.answers[name])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_model_is_asked_in_the_precision_of_a_scan(precision):
    model, x = small_aae(SIZE, 3), torch.rand(2, 3, SIZE, SIZE)
    with torch.inference_mode(), autocast_in(precision):
        expected = models.classify(model, x).float().softmax(1)
    torch.testing.assert_close(answering(model, precision)(x), expected)


@pytest.mark.parametrize("factor", ["rotation", "brightness", "jpeg"])
def test_the_curve_is_the_answer_at_each_value_of_one_slider_the_others_as_they_stand(factor):
    changes = items()
    original, here = changes.start(4, ""), float(np.quantile(FACTORS[factor].whole, 0.3))
    places = amounts(changes, original, contrast=0.4, **{factor: here})
    i = [slider.factor for slider in changes.sliders].index(factor)
    curve = changes.curve(original, places, i)
    slider = changes.sliders[i]
    assert len(curve.values) == POINTS and (curve.values[0], curve.values[-1]) == (slider.low, slider.high)
    for value, *p in [*zip(curve.values, *curve.probability.values(), strict=True), (here, *curve.now.values())]:
        exactly = changes.view(original, [*places[:i], value, *places[i + 1 :]])
        if factor in exactly.moved:
            np.testing.assert_allclose(p, [a[-1] for a in exactly.answers.values()], atol=1e-5)
    assert curve.present == pytest.approx(here) and curve.start == original.starts[i]


def test_the_readings_are_those_of_the_changed_item_by_meters_that_read_single_items():
    changes = items()
    original = changes.start(5, "")
    view = changes.view(original, amounts(changes, original, brightness=0.6, border=10))
    assert "luminance" in view.readings and not {"rotation", "scale", "x", "y"} & set(view.readings)
    for name, reading in view.readings.items():
        assert reading == pytest.approx(float(meter_named(name).measure(view.x[None, None])[0, 0]), abs=1e-6)
    assert (
        view.readings["luminance"] > original.readings["luminance"]
        and view.readings["border"] > original.readings["border"] + 2
    )


@pytest.mark.parametrize("rate", [None, 250.0])
def test_signals_can_be_changed_with_and_without_a_sampling_rate(rate):
    peak = torch.exp(-(torch.linspace(-4, 4, 64) ** 2))
    x = (0.3 + 0.4 * peak + 0.02 * torch.rand(N, 64, generator=torch.Generator().manual_seed(0)))[:, None]
    by_level = lambda x: torch.stack([1 - x.mean((1, 2)), x.mean((1, 2))], 1)  # noqa: E731
    bias = Bias({"cat": (0, 5), "dog": (5, 10)}, factor="hum", rate=rate)
    changes = ChangedItems({"aae": by_level}, ["cat", "dog"], SIGNAL, 1, lambda rows: x[rows], np.zeros(N), bias)
    original = changes.start(0, "")
    for i, slider in enumerate(changes.sliders):
        far = max(slider.low, slider.high, key=lambda value, slider=slider: abs(value - slider.about.neutral))
        view = changes.view(original, amounts(changes, original, **{slider.factor: far}))
        assert view.x.min() >= 0 and view.x.max() <= 1 and not torch.equal(view.x, original.x)
        assert np.isfinite(changes.curve(original, original.starts, i).probability["aae"]).all()
    hummed = changes.view(original, amounts(changes, original, hum=8))
    assert hummed.readings["hum"] - original.readings["hum"] == pytest.approx(8, abs=1)


# ---- what the page says -------------------------------------------------------------------------------------------


def written(changes, **values):
    """(the Page of all that follows the sliders, its ChangedItem) of the first item with factors at these values."""
    original, stage = changes.start(0, f"{changes.classes[0]}, row 0"), ChangedStage(changes)
    places = amounts(changes, original, **values)
    view = changes.view(original, places)
    parts = stage.look(original, view), stage.curve(changes.curve(original, places, 1)), stage.readings(original, view)
    return Page("".join(parts)), view


def test_a_hostile_class_name_stays_a_name():
    for classes in ((HOSTILE, "dog"), ("cat", HOSTILE)):
        page, _ = written(items(classes=classes), brightness=0.5)
        assert "script" not in page.tags and HOSTILE in page.words and not page.unnamed
        assert all(address.startswith("data:image/png;base64,") for _, address in page.addresses)


def test_the_page_says_which_decision_is_another_one():
    changes = items(answers={"aae": by_light, "baseline": lambda x: torch.tensor([[0.9, 0.1]]).expand(len(x), 2)})
    page, _ = written(changes, brightness=0.7)
    assert page.tags.count("strong") == 1 and "Decides dog ; cat before." in page.words
    assert "Decides cat, as before." in page.words and "shift to white 0.70" in page.words
    page, _ = written(changes)
    assert "strong" not in page.tags and "Changed: nothing yet" in page.words


@pytest.mark.parametrize("names", [["aae"], ["aae", "baseline"]])
def test_each_model_of_the_run_has_its_answer_and_its_line(names):
    changes = items(answers={name: by_light for name in names})
    page, _ = written(changes, brightness=0.2)
    assert page.classes.count("bars") == page.tags.count("polyline") == len(names)
    assert [title in page.words for title in MODELS.values()] == [name in names for name in MODELS]


def test_every_slider_has_a_name_of_its_own_and_the_planted_one_says_so():
    names = [slider_label(slider) for slider in items().sliders]
    assert len(set(names)) == len(names) and all(names) and [n for n in names if "planted" in n] == names[:1]


# ---- the run ----------------------------------------------------------------------------------------------------


def of_folder(folder, names=("aae", "baseline")):
    """What `scan_verdicts` needs of a trained run."""
    return SimpleNamespace(folder=folder, model_names=lambda: list(names))


def write_scan(folder, models):
    """A scan.json: {model: {factor: verdict}}."""
    rows = {
        name: {"factors": [{"factor": f, "used": v} for f, v in verdicts.items()]} for name, verdicts in models.items()
    }
    (folder / "scan.json").write_text(json.dumps({"models": rows}))


def test_the_verdicts_of_a_scan_are_shown(tmp_path):
    write_scan(tmp_path, {"aae": {"rotation": "used", "blur": "cannot tell"}, "baseline": {"rotation": "not used"}})
    found = scan_verdicts(of_folder(tmp_path))
    assert found == {"rotation": {"aae": "used", "baseline": "not used"}, "blur": {"aae": "cannot tell"}}
    assert verdict_words(found["rotation"]) == "AAE: used \u00b7 ResNet34: not used" and verdict_words({}) is None
    assert verdict_words({"aae": "used", "baseline": "used"}) == "Both models: used"
    assert verdict_words(found["blur"]) == "AAE: cannot tell"
    assert "scan of this run says" in introduction(PICTURE, found, tmp_path)
    assert scan_verdicts(of_folder(tmp_path, ["aae"]))["rotation"] == {"aae": "used"}
    row = {"factor": "border", "used": "not used", "one_value": True}
    (tmp_path / "scan.json").write_text(json.dumps({"models": {"aae": {"factors": [row]}}}))
    assert scan_verdicts(of_folder(tmp_path)) == {"border": {"aae": "same in all items"}}


@pytest.mark.parametrize("text", [None, "", "[]", '{"models": 3}', '{"models": {"network": {"factors": []}}}'])
def test_a_run_that_was_not_scanned_says_how_to_scan_it(tmp_path, text):
    folder = tmp_path / "a <b> & c"
    folder.mkdir()
    if text is not None:
        (folder / "scan.json").write_text(text)
    verdicts = scan_verdicts(of_folder(folder))
    page = Page(introduction(PICTURE, verdicts, folder))
    assert verdicts == {} and f"python main.py scan {shlex.quote(str(folder))}" in page.words and "b" not in page.tags


def test_no_word_of_a_file_but_a_verdict_comes_to_the_page(tmp_path):
    write_scan(tmp_path, {"aae": {"rotation": HOSTILE, "blur": "used"}, HOSTILE: {"blur": "used"}})
    assert scan_verdicts(of_folder(tmp_path)) == {"blur": {"aae": "used"}}


def test_a_run_opens_with_the_models_that_it_has(toy_models, tmp_path):
    trained = open_trained_run(toy_models)
    changes = open_changed_items(trained)
    row = int(trained.rows("valid")[0])
    original = changes.start(row, "")
    torch.testing.assert_close(original.x, trained.planted(np.array([row]))[0])
    view = changes.view(original, amounts(changes, original, brightness=0.4))
    for name in ("aae", "baseline"):
        with torch.inference_mode():
            expected = models.classify(trained.model(name), view.x[None]).softmax(1)[0].numpy()
        np.testing.assert_allclose(view.answers[name], expected, atol=1e-6)
    without = copy_of(toy_models, tmp_path / "without")
    (without / "baseline.safetensors").unlink()
    assert list(open_changed_items(open_trained_run(without)).answers) == ["aae"] != list(changes.answers)
