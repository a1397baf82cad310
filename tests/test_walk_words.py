"""Laws of the words on a walk: it is said to arrive, to agree and to have a name only where its numbers say so."""

import numpy as np
import pytest
from helpers.html_laws import sections
from helpers.report_fakes import fake_run, naming_row, page

from xaae.cli.navigate import _walk_line
from xaae.experiment import run_folder
from xaae.experiment.walk_words import (
    GLIDE,
    arrival,
    groups_in_words,
    is_invisible,
    manner,
    manner_in_words,
    no_glide,
    start_groups,
    told_names,
)
from xaae.factors.meters import METERS
from xaae.latent_nav import naming
from xaae.report import summarise, summary_in_words
from xaae.report.run.conclusions import counterfactual_sentences, paragraphs

SHORT = {"flips": 0.0, "probability_first": 0.22, "probability_last": 0.24}


@pytest.mark.parametrize(
    ("flips", "words"),
    [
        (0.0, "It does not bring the decision over: the probability of dog goes from 0.22 to 0.24."),
        (0.25, "It brings the decision over for 25 % of the starts only: the probability of dog"),
        (0.75, "It brings the decision over for 75 % of the starts."),
        (1.0, ""),
        (None, ""),
    ],
)
def test_a_walk_that_does_not_arrive_is_said_so(flips, words):
    said = arrival(SHORT | {"flips": flips}, "dog")
    assert said.startswith(words) and bool(said) == bool(words)


def test_the_page_and_the_terminal_say_that_a_walk_does_not_arrive(tmp_path):
    summary = summarise(fake_run(tmp_path / "run", walk=SHORT))
    assert "It does not bring the decision of the AAE over" in summary_in_words(summary).splitlines()[0]
    assert paragraphs(summary)["title"] == "Walking from cat towards dog"
    results = summary | {"naming": {"lda": {"sentence": "turns left by 88 degrees"}}}
    line = _walk_line(results, "lda")
    assert line.startswith("turns left by 88 degrees. It glides")
    assert ". It does not bring the decision of the AAE over: the probability of dog" in line


def test_a_walk_that_arrives_has_nothing_added(tmp_path):
    text = paragraphs(summarise(fake_run(tmp_path / "run")))
    assert text["title"] == "Walking from cat to dog" and "bring" not in text["lead"]


# ---- starts that disagree ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "groups"),
    [
        ([1, 2, 3, 88, 90, 91], [(3, 2.0), (3, 90.0)]),
        ([0, 1, np.nan, 89, 90], [(2, 0.5), (2, 89.5)]),
        ([-9, 78, 88, 89], [(1, -9.0), (3, 88.0)]),
        ([-90, -88, 2, 3], [(2, -89.0), (2, 2.5)]),
        ([0, 30, 60, 90], None),  # spread evenly
        ([0, 89, 90, 91, 92, 93, 94, 95], None),  # one straggler
        ([0, 1, 5, 6], None),  # a gap too small to count
        ([5, 5, 5, 5], None),
        ([1, 90], None),
        ([], None),
    ],
)
def test_two_groups_of_starts_are_told_apart(changes, groups):
    assert start_groups(changes, least=10) == groups


def test_starts_that_disagree_are_told_in_the_opening_and_the_terminal(tmp_path):
    split = {"start_groups": [(4, 2.0), (4, 88.0)], "change": 45.0, "change_words": "turns left by 45 degrees"}
    summary = summarise(fake_run(tmp_path / "run", walk=split))
    said = "4 starts change by about +2° and 4 by about +88°"
    assert f"no single number is typical: {said}." in summary_in_words(summary).splitlines()[0]
    assert "4 starts change by about +1 degree and 4 by" in _walk_line(
        summary
        | {"walk": summary["walk"] | {"by_direction": {"lda": summary["walk"] | {"start_groups": [(4, 1), (4, 88)]}}}},
        "lda",
    )
    assert groups_in_words([(3, 1), (2, 9)], str) == "3 starts change by about 1 and 2 by about 9"
    assert groups_in_words([(1, 1), (3, 9)], str) == "1 start changes by about 1 and 3 by about 9"


# ---- glides, jumps, cross-fades ---------------------------------------------------------------------------------

GLIDES = {"largest_step_share": 0.1, "largest_step": 9.0, "spacing": "arc", "meter": "rotation"}
GLIDES |= {"ends_explain": 0.5, "real_ends_explain": 0.52, "path_step_share": {"alpha": 0.2, "arc": 0.06}}
JUMP = {"largest_step_share": 0.94, "largest_step": 88.0}
FADED = JUMP | {"ends_explain": 0.97}


@pytest.mark.parametrize(
    ("numbers", "way"),
    [
        ({}, "glides"),
        ({"largest_step_share": GLIDE}, "glides"),
        (JUMP, "jumps"),
        (FADED, "fades"),
        ({"ends_explain": 0.97}, "fades"),
        (FADED | {"real_ends_explain": 0.95}, "jumps"),  # the change itself is a mixture of its ends
        (FADED | {"real_ends_explain": None}, "jumps"),
        (FADED | {"path_step_share": {"alpha": 1.0, "arc": 0.9}}, "jumps"),  # nothing lies between its ends
        ({"largest_step_share": None}, ""),
    ],
)
def test_a_walk_glides_jumps_or_fades(numbers, way):
    assert manner(GLIDES | numbers) == way
    said = manner_in_words(GLIDES | numbers, "{:.0f} degrees".format)
    words = {"glides": "It glides", "jumps": "It is a jump: its rotation jumps by", "fades": "It is a cross-fade: its"}
    assert said.startswith(words.get(way, "")) and bool(said) == bool(way)
    assert bool(no_glide(GLIDES | numbers, str)) == (way in ("jumps", "fades"))


def test_a_jump_in_frames_that_are_not_in_equal_steps_is_said_with_care():
    unfair = "not in equal steps of the decoded path"
    assert unfair in no_glide(GLIDES | JUMP | {"spacing": "alpha"}, str) and unfair not in no_glide(GLIDES | JUMP, str)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        (JUMP, "This is no clear turn but a jump: its angle jumps by 88 degrees within one frame, 94 % of the whole"),
        (
            FADED,
            "This is no clear turn but a cross-fade: its two ends, mixed, explain 97 % of the frames between (52 %",
        ),
    ],
)
def test_only_a_glide_is_a_clear_turn_in_the_opening_the_section_and_the_terminal(tmp_path, numbers, said):
    glides, other = (fake_run(tmp_path / name, walk=GLIDES | more) for name, more in (("a", {}), ("b", numbers)))
    summary = summarise(other)
    assert "This is a clear turn" in paragraphs(summarise(glides))["body"]
    assert said in paragraphs(summary)["body"] and summary["walk"]["reading"] == "undecided"
    assert "It glides" in sections(page(glides))["walks"]
    walks = sections(page(other))["walks"]
    assert "It is a " in walks and "It glides" not in walks and "94\u202f%" in walks
    line = _walk_line(summary | {"naming": {"lda": {"sentence": "turns left by 88 degrees"}}}, "lda")
    assert "88 degrees within one frame" in line


def test_the_walks_of_an_earlier_version_are_judged_by_their_readings(tmp_path):
    """They hold no numbers of steps; their readings are kept."""
    run = fake_run(tmp_path / "run")
    found, kept = run_folder.read_json(run / "navigate.json"), dict(np.load(run / "walks" / "lda.npz"))
    reading = np.repeat([[0.0, 1, 2, 90, 90, 91, 92]], len(kept["frames"]), 0)
    run_folder.write_arrays(run / "walks" / "lda.npz", **kept | {"meter.rotation": reading})
    later = "spacing largest_step largest_step_share path_step_share ends_explain real_ends_explain undone_match"
    for walk in (found["walk"], *found["walk"]["by_direction"].values()):
        for key in later.split():
            del walk[key]
    run_folder.write_json(run / "navigate.json", found)
    walk = summarise(run)["walk"]
    assert walk["largest_step"] == walk["by_direction"]["lda"]["largest_step"] == 88
    assert walk["largest_step_share"] == pytest.approx(88 / 92) and walk["reading"] == "undecided"
    assert "not in equal steps of the decoded path" in sections(page(run))["walks"]


# ---- names ------------------------------------------------------------------------------------------------------


def row(words, p_any, named=True):
    return naming_row("luminance", "of full scale", words, named) | {"p_any": p_any}


@pytest.mark.parametrize(("p_any", "walked", "held"), [(0.05, 1, 1), (0.05, 12, 0), (0.01, 12, 1), (None, 12, 1)])
def test_what_chance_may_have_named_is_set_apart(p_any, walked, held):
    sure, doubtful = told_names([row("gets brighter by 0.20", p_any)], walked)
    assert (len(sure), len(doubtful)) == (held, 1 - held)


def test_a_change_that_rounds_to_nothing_names_nothing():
    assert told_names([row("keeps its luminance", 0.01), row("gets brighter by 0.1", 0.01, False)]) == ([], [])


def test_the_sentence_names_nothing_that_chance_may_have_named_and_nothing_unseen():
    rows = [row("gets brighter by 0.20", 0.05)]
    assert naming.naming_sentence(rows, METERS).startswith("gets brighter by 0.20 [")
    said = naming.naming_sentence(rows, METERS, walked=12)
    assert said.startswith("changes no factor beyond chance (it gets brighter by 0.20") and "among 12 walks" in said
    sure = [row("gets darker by 0.30", 0.01), *rows]
    assert naming.naming_sentence(sure, METERS, walked=12).startswith("gets darker by 0.30 [")
    assert "nothing that can be seen" in naming.naming_sentence(sure, METERS, invisible=True)


@pytest.mark.parametrize(("change", "unseen"), [(0.001, True), (0.02, False), (None, False)])
def test_a_walk_whose_ends_look_the_same_is_given_no_name(tmp_path, change, unseen):
    brighter = naming_row("luminance", "of full scale", "gets brighter by 0.12", True)
    summary = summarise(fake_run(tmp_path / "run", walk={"frame_change": change}, named=[brighter]))
    words = summary_in_words(summary)
    assert is_invisible(summary["walk"]) == unseen == ("does not change visibly" in words)
    assert ("gets brighter" in words) != unseen


# ---- beside other numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("turn", "says"),
    [(1.0, "There is no turn to take back here (+1°)"), (92.0, "Near 1: nothing but the turn has changed")],
)
def test_a_match_speaks_of_a_turn_only_where_there_is_one(tmp_path, turn, says):
    walks = sections(page(fake_run(tmp_path / "run", walk={"change": turn})))["walks"]
    other = {1.0: "nothing but the turn", 92.0: "no turn to take back"}[turn]
    assert says in walks and other not in walks


@pytest.mark.parametrize("undone", [0.92, None])
def test_a_match_of_light_is_told_beside_that_with_the_factor_undone(tmp_path, undone):
    walks = sections(page(fake_run(tmp_path / "run", factor="brightness", walk={"undone_match": undone})))["walks"]
    assert ("Between the two ends, the factor undone: 0.92" in walks) == (undone is not None)


@pytest.mark.parametrize(
    ("flips", "seen", "words"),
    [(1.0, 0.0, "The walk above changes the decision for 100 % of its starts all the same"),
     (0.0, 0.9, "The walk above changes the decision for 0 % of its starts only"),
     (1.0, 0.9, ""), (0.0, 0.0, ""), (None, 0.9, ""), (1.0, None, "")],
)  # fmt: skip
def test_walk_and_counterfactuals_are_reconciled_where_they_differ(tmp_path, flips, seen, words):
    summary = summarise(fake_run(tmp_path / "run", walk={"flips": flips}))
    summary["counterfactual"] |= {"flipped_when_seen": seen}
    said = counterfactual_sentences(summary).replace("\u202f", " ")
    assert words in said and ("The walk above" in said) == bool(words)


def test_counterfactuals_of_a_classifier_that_reads_items_alone_are_told_without_a_head(tmp_path):
    summary = summarise(fake_run(tmp_path / "run", walk={"flips": 1.0}))
    summary["counterfactual"] |= {"flipped": None, "flipped_when_seen": 0.25}
    said = counterfactual_sentences(summary).replace("\u202f", " ")
    assert said.startswith("For 25 % of 64 held-out items there is a nearby code whose decoded picture is assigned to")
    assert "The walk above" in said and "head" not in said


def test_a_factor_that_nobody_asked_for_and_that_has_no_answer_is_not_shown(tmp_path):
    nobody = {"arm": "normal", "factor_asked": False}
    text = page(fake_run(tmp_path / "run", walk={"change": 30.0}, config=nobody))
    assert summarise(tmp_path / "run")["walk"]["reading"] == "undecided"
    assert "Checked for" not in text and "undecided" not in text
