"""Laws of the report's words: they follow the planted factor, and say no more than the numbers allow."""

import html as markup
import json
import re

import numpy as np
import pytest
from helpers.report_fakes import DIRECTIONS, SHIFT, WORDS, S, T, fake_run, limits, naming_row, page, walk_numbers

from xaae.experiment.run_folder import read_arrays, write_arrays
from xaae.experiment.vocabulary import ARMS
from xaae.factors.registry import FACTORS
from xaae.report import summarise, summary_in_words
from xaae.report.run.conclusions import MEANING, paragraphs
from xaae.report.run.walk_reading import reading, understood_reading
from xaae.report.shared.quantity import meter_quantity, planted_quantity

TURNING = r"degree|rotat|\bangle|\bturn|°"
LIGHTER = naming_row("luminance", "of full scale", "gets brighter by 0.12", True)


def read_aloud(html):
    """What a reader or a screen reader meets, without styles, data, settings and the list of methods."""
    html = html.split('<section id="settings"')[0]
    html = re.sub(r"<style>.*?</style>|<script.*?</script>", "", html, flags=re.DOTALL)
    spoken = re.findall(r'(?:aria-label|alt)="([^"]*)"', html)
    return markup.unescape(re.sub(r"<[^>]*>", " ", html) + " ".join(spoken))


@pytest.mark.parametrize("factor", ["brightness", "blur"])
@pytest.mark.parametrize("arm", ["biased", "irrelevant"])
def test_without_rotation_the_page_speaks_of_no_turn(tmp_path, factor, arm):
    text = read_aloud(page(fake_run(tmp_path / "run", factor=factor, config={"arm": arm})))
    text = text.replace(str(tmp_path), "")  # whose name is this test's
    assert not re.search(TURNING, text, re.IGNORECASE), re.search(f".{{60}}({TURNING}).{{60}}", text, re.IGNORECASE)
    assert FACTORS[factor].noun in text and WORDS[factor] in text
    assert f"{factor.capitalize()}-impact curve" in text


def test_with_rotation_it_speaks_of_degrees(tmp_path):
    text = read_aloud(page(fake_run(tmp_path / "run")))
    assert "the decoded picture turns left by 92 degrees" in text and "random directions turn it by 6" in text
    assert "Planted angles" in text and "0 to 90 degrees" in text and "Measured turn (degrees)" in text


def test_in_arm_normal_it_speaks_of_what_the_walk_changes(tmp_path):
    still = {"change": 4.0, "change_words": "turns left by 4 degrees", "spearman": 0.1, "p_value": 0.6}
    asked = {"arm": "normal", "factor_asked": True}
    folder = fake_run(tmp_path / "run", walk=still, named=[LIGHTER], config=asked)
    words = summary_in_words(summarise(folder))
    assert words.splitlines()[0].endswith("the decoded picture gets brighter by 0.12.")
    assert "Checked for rotation: the picture turns left by 4 degrees" in words and "no turn" in words


@pytest.mark.parametrize("factor", list(SHIFT))
@pytest.mark.parametrize("named", [[], [LIGHTER]])
def test_in_arm_normal_the_opening_speaks_of_no_factor_that_nobody_asked_for(tmp_path, factor, named):
    folder = fake_run(tmp_path / "run", named=named, factor=factor, config={"arm": "normal", "factor_asked": False})
    summary = summarise(folder)
    words = summary_in_words(summary)
    assert not summary["factor_asked"] and f"Checked for {factor}" not in words and "This is " not in words
    html = page(folder)
    opening = html.split('<section id="summary"')[1].split("</section>")[0]
    assert "follows the walk" not in opening and "p value" not in opening
    assert f"Checked for {factor}" in html.split('<section id="planted"')[1]  # it is told further down
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"factor_asked": True}))
    assert f"Checked for {factor}" in summary_in_words(summarise(folder))
    config.pop("factor_asked")  # a run of an earlier version does not know
    (folder / "config.json").write_text(json.dumps(config))
    assert not summarise(folder)["factor_asked"]


def test_a_constant_answer_is_recognisable_beside_its_accuracy(tmp_path):
    folder = fake_run(tmp_path / "run")
    train = json.loads((folder / "train.json").read_text())
    beside = {"valid_balanced_accuracy": 0.5, "valid_majority_share": 0.62, "valid_majority_class": "dog <i>"}
    train["aae"] |= beside | {"valid_accuracy": 0.62, "valid_constant_answer": "dog <i>"}
    train["baseline"] |= beside | {"valid_accuracy": 0.6, "valid_constant_answer": None}
    (folder / "train.json").write_text(json.dumps(train))
    words, html = summary_in_words(summarise(folder)), page(folder)
    assert "always dog <i>, the most frequent class, would be right in 62.0 %" in words
    assert "50.0 % for the AAE" in words and "The AAE answers dog <i> to every item" in words
    assert "The ResNet34 is right no more often than the most frequent class alone" in words
    assert "The AAE answers dog &lt;i&gt; to every item" in html and "<i> to every item" not in html
    assert summarise(folder)["aae"]["valid_balanced_accuracy"] == 0.5


def test_in_arm_normal_nothing_named_is_said_so(tmp_path):
    still = {"change": 4.0, "change_words": "turns left by 4 degrees", "spearman": 0.1, "p_value": 0.6}
    words = summary_in_words(summarise(fake_run(tmp_path / "run", walk=still, config={"arm": "normal"})))
    assert "changes no factor beyond chance" in words.splitlines()[0]


@pytest.mark.parametrize(("aae", "told"), [
    ({"recon_agreement": 0.5}, True),  # chance
    ({"recon_agreement": 0.8}, False),
    ({"recon_agreement": 0.9, "recon_judge_accuracy": 0.97, "valid_majority_share": 0.85}, False),
    ({"recon_agreement": 0.85, "recon_judge_accuracy": 0.86, "valid_majority_share": 0.85}, False),  # nobody can judge
    ({"recon_agreement": None, "recon_judge_accuracy": None}, False),
])  # fmt: skip
@pytest.mark.parametrize("arm", ["biased", "normal"])
def test_walks_of_a_decoder_that_draws_nothing_are_no_answer(tmp_path, aae, told, arm):
    summary = summarise(fake_run(tmp_path / "run", config={"arm": arm}))
    lead = paragraphs(summary | {"aae": summary["aae"] | {"valid_majority_share": 0.5} | aae})["lead"]
    assert ("recognised, hardly more than by chance" in lead) == told


@pytest.mark.parametrize(("already", "flips", "told"), [
    (0.45, 0.0, True),
    (0.02, 0.0, False),  # what decides is drawn: the direction is the wrong one
    (0.45, 1.0, False),  # the walk shows what decides all the same
    (None, 0.0, False),
    (0.45, None, False),
])  # fmt: skip
def test_a_walk_is_no_answer_where_the_decoder_leaves_out_what_decides(tmp_path, already, flips, told):
    summary = summarise(fake_run(tmp_path / "run", config={"arm": "normal"}))
    changed = {"counterfactual": summary["counterfactual"] | {"already": already}}
    lead = paragraphs(summary | changed | {"walk": summary["walk"] | {"flips": flips}})["lead"]
    assert ("it is undecided: the AAE decides 45\u202f% of its own reconstructions otherwise" in lead) == told


@pytest.mark.parametrize("reading", ["changes", "does not change", "undecided"])
def test_a_clear_change_of_the_factor_in_question_is_an_answer_whatever_else_is_lost(tmp_path, reading):
    summary = summarise(fake_run(tmp_path / "run"))
    changed = {"counterfactual": summary["counterfactual"] | {"already": 0.45}}
    walk = summary["walk"] | {"flips": 0.0, "reading": reading}
    assert ("it is undecided" in paragraphs(summary | changed | {"walk": walk})["lead"]) == (reading != "changes")


def test_where_the_main_walk_changes_nothing_the_one_that_the_aae_leads_is_told(tmp_path):
    still = {"change": 4.0, "change_words": "turns left by 4 degrees", "spearman": 0.1, "p_value": 0.6}
    summary = summarise(fake_run(tmp_path / "run", walk=still, config={"arm": "normal", "factor_asked": False}))
    led = {"aae": {"named": ["luminance"], "direction": "led_aae", "brought_over": 0.88}}
    summary |= {"led": led, "naming": summary["naming"] | {"led_aae": {"meters": [LIGHTER]}}}
    told = (
        "Along the walk that the AAE leads it gets brighter by 0.12, and that brings the decision over for 88\u202f% of"
    )
    assert told in paragraphs(summary)["lead"]
    main = summary["walk"]["direction"]
    for changed in ({"naming": {main: {"meters": [LIGHTER]}}}, {"led": {"aae": led["aae"] | {"direction": main}}}):
        assert "that the AAE leads it" not in paragraphs(summary | changed)["lead"]


def test_what_else_changes_is_said_beside_the_planted_factor(tmp_path):
    network = naming_row("rotation_network", "degrees", "turns left by 90 degrees", True)
    words = summary_in_words(summarise(fake_run(tmp_path / "run", named=[LIGHTER, network])))
    assert "Beyond chance it also gets brighter by 0.12." in words


@pytest.mark.parametrize("factor", list(SHIFT))
@pytest.mark.parametrize(
    "walk, form, sentence",
    [
        ({}, "changes", "This is a clear "),
        ({"change": 0.05, "spearman": 0.1, "p_value": 0.6}, "does not change", "This is no "),
        ({"change": 0.33}, "undecided", "This is undecided: the "),
        ({"spearman": 0.5}, "undecided", "Spearman 0.50, but needs 0.8"),
        ({"p_value": 0.2}, "undecided", "p against random directions is 0.200"),
        ({"p_value": None}, "undecided", "This is undecided"),
    ],
)
def test_three_forms_of_the_sentence(tmp_path, factor, walk, form, sentence):
    walk = {**walk, **({"change": walk["change"] * SHIFT[factor]} if "change" in walk else {})}
    folder = fake_run(tmp_path / "run", walk=walk, factor=factor)
    assert summarise(folder)["walk"]["reading"] == form
    html = page(folder)
    assert sentence in html and "To find out, repeat the command" in html


@pytest.mark.parametrize("factor", list(SHIFT))
def test_the_sign_of_a_change_does_not_matter(factor):
    walk, planted = walk_numbers(factor), limits(factor)
    other = {**walk, "change": -walk["change"], "spearman": -walk["spearman"]}
    assert reading(walk, planted) == reading(other, planted) == "changes"


@pytest.mark.parametrize("factor", list(SHIFT))
def test_a_decoder_that_cannot_show_the_factor_never_gives_a_no(factor):
    still = {"change": SHIFT[factor] / 45, "spearman": 0.0, "p_value": 0.9}
    assert reading(still, limits(factor), {"reconstruction_error": abs(SHIFT[factor]) / 18}) == "does not change"
    assert reading(still, limits(factor), {"reconstruction_error": abs(SHIFT[factor]) / 2}) == "undecided"


def test_without_limits_nothing_is_judged(tmp_path):
    folder = fake_run(tmp_path / "run")
    found = json.loads((folder / "navigate.json").read_text())
    (folder / "navigate.json").write_text(json.dumps({k: v for k, v in found.items() if k != "planted"}))
    assert summarise(folder)["walk"]["reading"] is None and "turns left by 92 degrees" in page(folder)


def test_walks_without_any_reading(tmp_path):
    folder = fake_run(tmp_path / "run", walk={"change": None, "spearman": None})
    for name in DIRECTIONS:
        arrays = read_arrays(folder / "walks" / f"{name}.npz")
        write_arrays(folder / "walks" / f"{name}.npz", **{**arrays, "meter.rotation": np.full((S, T), np.nan)})
    assert "no walk has been measured yet" in page(folder)


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("factor", list(SHIFT))
def test_the_opening_says_what_planting_does_and_what_to_run_next(tmp_path, arm, factor):
    asked = {"arm": arm, "factor_asked": True}
    words = summary_in_words(summarise(fake_run(tmp_path / "run", config=asked, factor=factor)))
    sentence = f"When another class's {FACTORS[factor].noun} is planted, the answer becomes that class: "
    assert (f"{sentence}90 % for the AAE and 80 % for the ResNet34." in words) == (arm == "biased")
    assert "This is a clear " in words and f"In arm {arm} " in words
    caveat = paragraphs(summarise(tmp_path / "run"))["caveat"]
    assert [name for name in ARMS if f"--arm {name}" in caveat] == [name for name in ARMS if name != arm]


@pytest.mark.parametrize("arm", ARMS)
def test_every_reading_of_every_arm_has_its_meaning(arm):
    readings = {"changes", "does not change"} | ({"unused"} if arm == "biased" else set())
    assert set(MEANING[arm]) == readings
    assert all("{" not in text.format(noun="n", factor="f", change="c") for text in MEANING[arm].values())


@pytest.mark.parametrize(
    "factor, long, short, signed, plural",
    [
        ("rotation", "1 degree", "1°", "+1°", "angles"),
        ("brightness", "1.00 of the way to white", "1.00", "+1.00", "shifts to white"),
        ("blur", "1.0 % of the side", "1.0\u202f%", "+1.0\u202f%", "blurs"),
    ],
)
def test_how_a_quantity_is_written(factor, long, short, signed, plural):
    quantity = planted_quantity(FACTORS[factor].about())
    assert (quantity.long(1), quantity.short(1), quantity.signed(1), quantity.plural) == (long, short, signed, plural)
    assert quantity.long(None) == quantity.short(float("nan")) == quantity.signed(None) == "\u2013"
    assert quantity.signed(-1).startswith("\u2212") and not quantity.signed(0).startswith(("+", "\u2212"))


def test_degrees_have_round_ticks_and_shares_any():
    assert meter_quantity("rotation").ticks((-3, 185)) == [0, 45, 90, 135, 180]
    assert meter_quantity("luminance").ticks((0, 1)) is None


@pytest.mark.parametrize(("score", "used"), [(0.0, False), (0.84, False), (0.85, True), (None, True)])
def test_a_walk_of_a_factor_that_the_model_does_not_go_by_is_no_use_of_it(score, used):
    walk = {"reading": "changes"}
    summary = {"arm": "biased", "walk": walk, "spurious_score": {"aae": score}}
    assert understood_reading(summary) == ("changes" if used else "unused")
    assert understood_reading(summary | {"arm": "irrelevant"}) == "changes"
