"""Laws of the sections beside the planted factor: naming table, map of change, counterfactuals, exemplars, health."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from helpers.html_laws import Page, check_page, sections
from helpers.report_fakes import DIRECTIONS, S, V, fake_run, page

from xaae.experiment.run_folder import read_arrays, write_arrays, write_json
from xaae.report.run.walk_charts import quartiles, since_first
from xaae.report.shared.run_files import RunFiles
from xaae.report.shared.words import with_code

SOURCE = "https://example.org"


def section(text, name):
    """One section of the page."""
    check_page(text, outside=[SOURCE])
    return sections(text)[name]


def change_arrays(file, **changed):
    """Write an NPZ file again with some arrays changed; None: left out."""
    arrays = {**read_arrays(file), **changed}
    write_arrays(file, **{key: value for key, value in arrays.items() if value is not None})


def change_json(file, change):
    """Write a JSON file again after `change(its content)`."""
    content = json.loads(file.read_text())
    change(content)
    write_json(file, content)


# ---- walks ------------------------------------------------------------------------------------------------------


def test_every_direction_has_its_tab_its_naming_table_and_its_map_of_change(tmp_path):
    text = page(fake_run(tmp_path / "run"))
    walks = section(text, "walks")
    assert walks.count('name="direction"') == walks.count("data-walk=") == len(DIRECTIONS)
    assert walks.count("<h4>What changes, by meter</h4>") == len(DIRECTIONS)
    assert walks.count('class="chart spark"') == 2 * len(DIRECTIONS)
    assert all(f".walk-heat-{i}{{" in text for i in range(len(DIRECTIONS)))
    assert walks.count('<tr class="named">') == len(DIRECTIONS)


def test_directions_are_called_and_ordered_as_the_run_has_them(tmp_path):
    walks = section(page(fake_run(tmp_path / "run")), "walks")
    assert all(f"Title of {name}" in walks for name in DIRECTIONS)
    assert "A note from the run." in walks and "cat to dog" in walks
    tabs = re.findall(r"<span>([^<]+)</span></label>", walks)
    assert tabs == ["LDA", "classifier head", "own gradient", "PCA 1", "dimension 7", "dimension 11"]


def test_directions_that_the_run_says_nothing_of_come_by_name_and_number(tmp_path):
    folder = fake_run(tmp_path / "run")
    change_json(folder / "navigate.json", lambda navigate: navigate.pop("directions"))
    assert RunFiles(folder).walk_names() == ["lda", "dim_7", "dim_11", "gradient", "head", "pca_1"]
    assert RunFiles(folder).walk_names("head")[:2] == ["head", "dim_7"]


def test_a_walk_may_lack_naming_heat_inputs_and_every_meter(tmp_path):
    folder = fake_run(tmp_path / "run")
    change_json(folder / "navigate.json", lambda navigate: navigate.pop("naming"))
    gone = dict.fromkeys(["heat.integral", "meter.rotation", "meter.saturation", "start", "start_image"])
    for name in DIRECTIONS:
        change_arrays(folder / "walks" / f"{name}.npz", **gone)
    walks = section(page(folder), "walks")
    assert "What changes, by meter" not in walks and "walk-heat" not in walks and "<img" not in walks
    assert walks.count("data-walk=") == 6 and "start 1" in walks


@pytest.mark.parametrize("missing", ["words", "change", "change_ci", "spreads", "unit", "spearman", "p_any"])
def test_a_number_missing_in_the_naming_table_leaves_every_row_in_its_place(tmp_path, missing):
    folder = fake_run(tmp_path / "run")
    before = section(page(folder), "walks")

    def take_away(navigate):
        for row in navigate["naming"]["lda"]["meters"]:
            row[missing] = None

    change_json(folder / "navigate.json", take_away)
    after = section(page(folder), "walks")
    assert Page(after).tags.count("tr") == Page(before).tags.count("tr")
    assert after.count('<tr class="named">') == before.count('<tr class="named">')


def test_changes_count_from_the_first_known_frame():
    change = since_first([[np.nan, 2.0, 5.0], [1.0, 1.0, 0.0], [np.nan] * 3])
    assert np.array_equal(change, [[np.nan, 0, 3], [0, 0, -1], [np.nan] * 3], equal_nan=True)
    low, middle, high = quartiles(change)
    assert np.isnan(quartiles(change[2:])).all() and (low <= middle).all() and (middle <= high).all()


# ---- items ------------------------------------------------------------------------------------------------------


def test_counterfactuals_in_pictures_and_sentences(tmp_path):
    counterfactuals = section(page(fake_run(tmp_path / "run")), "counterfactuals")
    assert counterfactuals.count('aria-label="Difference between') == S - 1 and counterfactuals.count("none found") == 1
    assert "dog 0.80" in counterfactuals and counterfactuals.count("not accepted") == 1  # one has none to accept
    assert "For 98\u202f% of 64 held-out items" in counterfactuals and "gets warmer by 0.20." in counterfactuals
    assert "From a picture decided for cat to one decided for dog, not compared with chance" in counterfactuals


@pytest.mark.parametrize("missing", ["items", "flipped", "already", "accepted", "distance", "nearest_other", "shorter"])
def test_a_missing_number_of_the_counterfactuals_leaves_no_gap_in_the_sentences(tmp_path, missing):
    folder = fake_run(tmp_path / "run")
    change_json(folder / "navigate.json", lambda navigate: navigate["counterfactual"].pop(missing))
    (text,) = re.findall(r"<p>(For [^<]*|\d[^<]*|The disc[^<]*)</p>", section(page(folder), "counterfactuals"))
    assert "\u2013" not in text and text.endswith(".") and text.count(".") >= 4


def test_an_empty_tenth_is_no_picture(tmp_path):
    exemplars = section(page(fake_run(tmp_path / "run")), "exemplars")
    assert exemplars.count('class="tile empty"') == 1 and exemplars.count('class="tile tenths"') == 9
    assert exemplars.count('class="tile along"') == 6 and exemplars.count('class="tile counters"') == 4 * 4


@pytest.mark.parametrize("part, sprite", [("along", "along"), ("tenth", "tenths"), ("counter", "counters")])
def test_one_missing_part_of_the_exemplars_takes_only_its_own_table_away(tmp_path, part, sprite):
    folder = fake_run(tmp_path / "run")
    change_arrays(folder / "exemplars.npz", **{f"{part}_image": None})
    shown = set(re.findall(r'class="tile (along|tenths|counters)"', section(page(folder), "exemplars")))
    assert shown == {"along", "tenths", "counters"} - {sprite}


# ---- the latent space -------------------------------------------------------------------------------------------


def test_health_says_what_is_good_and_leaves_out_what_is_unknown(tmp_path):
    health = section(page(fake_run(tmp_path / "run")), "health")
    assert "0.131" in health and "drawn from the prior itself gives 0.094" in health and "3.2 of 4" in health
    assert "Henze" not in health and "Disentanglement" in health and health.count("<svg") == 4
    assert "planted angle" in health and "\u22120.03" in health and "dimension 7" in health


def test_correlations_beyond_chance_stand_out(tmp_path):
    correlations = section(page(fake_run(tmp_path / "run")), "correlations")
    assert correlations.count('class="named"') == 1 and "planted angle" in correlations and "seed" not in correlations


def test_without_a_planted_value_there_is_no_curve(tmp_path):
    folder = fake_run(tmp_path / "run", config={"arm": "normal", "ranges": {"cat": [0, 0], "dog": [0, 0]}})
    change_arrays(folder / "impact.npz", value=np.zeros(V))
    impact = section(page(folder), "impact")
    assert "<svg" not in impact and "has the same angle" in impact


def test_correlations_that_say_nothing_are_left_out_and_counted(tmp_path):
    folder = fake_run(tmp_path / "run")
    names = "factor items within_class_spearman p p_holm".split()
    rows = [("item", 12, 0.2, 0.4, 1.0), ("tail", 12, -0.1, 0.8, 1.0), ("head_tilt_deg", 12, -0.6, 0.03, 0.3)]
    pd.DataFrame([*rows, ("value", 12, 0.05, 0.9, 1.0)], columns=names).to_csv(folder / "correlations.csv", index=False)
    text = section(page(folder), "correlations")
    assert re.findall(r'<th scope="row">([^<]*)', text) == ["head tilt (degrees)", "planted angle"]
    assert "No column goes with the position beyond chance" in text and "2 columns with p above 0.05 are left" in text
    pd.DataFrame(rows[:2], columns=names).to_csv(folder / "correlations.csv", index=False)
    text = section(page(folder), "correlations")
    assert "<tr" not in text and "the strongest is number in the order of drawing, with 0.20 (p = 0.40" in text


def test_without_heat_nothing_is_said_of_its_turning(tmp_path):
    folder = fake_run(tmp_path / "run")
    heat = read_arrays(folder / "explanations" / "gradcam.npz")["heat"]
    assert "mostly turned with it (2 of" in section(page(folder), "gradcam")  # one item has none
    heat[:, 1:] *= 1e-3
    change_arrays(folder / "explanations" / "gradcam.npz", heat=heat)
    text = section(page(folder), "gradcam")
    assert (
        "there is no heat to compare" in text and "turned with the picture:" not in text and "Turned back" not in text
    )


@pytest.mark.parametrize("part, words", [("impact", "Nothing was planted, so every held-out picture"),
                                         ("response", "Nothing was planted in this run."),
                                         ("gradcam", "This run has no ResNet34")])  # fmt: skip
def test_where_nothing_was_planted_a_sentence_says_why_a_section_is_empty(tmp_path, part, words):
    still = {"arm": "normal", "ranges": {"cat": [0, 0], "dog": [0, 0]}, "baseline_epochs": 0}
    folder = fake_run(tmp_path / "run", config=still)
    change_arrays(folder / "impact.npz", value=np.zeros(V))
    (folder / "explanations" / "gradcam.npz").unlink()
    text = page(folder)
    assert words in section(text, part) and "What was planted" not in section(text, "planted")


@pytest.mark.parametrize(
    "made, options, after",
    [
        ("python main.py --seed 3", {}, []),
        ("python main.py --seed 3", {"command": "python main.py navigate r --films"}, ["navigate r --films", "report"]),
        ("python main.py train", {}, ["navigate", "explain", "report"]),
        ("python main.py train", {"command": "", "directions": ["lda", "pca:2"], "contrast": "rest:dog"},
         ["--directions lda,pca:2 --contrast rest:dog", "explain", "report"]),
    ],
)  # fmt: skip
def test_the_commands_that_repeat_a_run_hold_the_options_of_its_navigation(tmp_path, made, options, after):
    folder = fake_run(tmp_path / "run", config={"command": made})
    change_json(folder / "navigate.json", lambda navigate: navigate["options"].update(options))
    shown = re.findall(r"<pre[^>]*>([^<]*)</pre>", section(page(folder), "settings"))
    assert shown[0] == made and len(shown) == 1 + len(after)
    assert all(words in command for words, command in zip(after, shown[1:], strict=True))


@pytest.mark.parametrize(
    "text, code",
    [
        ("--balance loss weighs them alike", "--balance loss"),
        ("repeat it with --arm normal.", "--arm normal"),
        ("--split random holds out items", "--split random"),
        ("--split randomly", "--split"),
        ("with another --seed or none", "--seed"),
    ],
)
def test_an_option_is_code_together_with_its_value(text, code):
    marked = with_code(text)
    assert f"<code>{code}</code>" in marked and marked.count("<code>") == 1
    assert marked.replace("<code>", "").replace("</code>", "") == text
