"""Laws of what a scan says: the rule and its three values, flips beside the null, the three questions in words."""

import numpy as np
import pytest
import torch
from helpers.pictures import draw_pets

from xaae.experiment import factor_questions
from xaae.factors.class_separation import separations
from xaae.factors.measuring import measure_all
from xaae.factors.meters import meter_named
from xaae.factors.registry import FACTORS
from xaae.report.shared.templates import _environment
from xaae.scan import scan_sentences, value_ranges, verdicts
from xaae.scan.factor_scan import GREY_LEVEL, ScanItems, is_one_value, scan_factors
from xaae.scan.scan_sentences import LIMIT, limit_in_words, one_answer

N, SIZE = 60, 32


def row(swing, high, p, n=200):
    return {"swing": swing, "swing_low": swing - 0.02, "swing_high": high, "p": p, "n": n}


def test_the_rule_has_three_values():
    rows = [row(0.9, 0.95, 1e-6), row(0.9, 0.95, 0.5), row(0.3, 0.35, 1e-6), row(0.05, 0.1, 1e-6), row(0.9, 0.95, 0, 9)]
    judged = verdicts.judge_factors(rows)
    assert [r["used"] for r in judged] == ["used", "cannot tell", "cannot tell", "not used", "cannot tell"]
    assert [r["p_holm"] for r in verdicts.judge_factors([row(0.9, 0.95, 0.02)] * 4)] == [0.08] * 4, (
        "p counts all factors"
    )


def test_a_range_that_the_data_may_not_hold_is_never_called_used():
    far = row(0.9, 0.95, 1e-6)
    told = [r["used"] for r in verdicts.judge_factors([far | {"source": s} for s in ("usual", "spread", "data")])]
    assert told == ["cannot tell", "used", "used"]


def test_flips_are_tested_item_by_item():
    some = np.arange(40) < 20
    assert verdicts.flip_p(some, some) == 1 and verdicts.flip_p(some, ~some) > 0.4
    assert verdicts.flip_p(np.ones(40, bool), some) == pytest.approx(0.5**20)


def test_flips_count_one_way_between_the_ends_of_the_swing():
    mean = np.array([0.4, 0.2, 0.9])
    name, low, high = verdicts.swing_ends(np.stack([1 - mean, mean], 1)[None])
    assert (low, high) == ((1, 2) if name else (2, 1))
    assert verdicts.goes_over(np.array([[0, 1], [1, 0], [1, 1], [0, 0]]), 1).tolist() == [True, False, False, False]


def test_flips_are_placed_between_the_values_where_they_happen():
    decisions = np.array([[0, 0, 1, 1], [0, 0, 0, 0], [1, 0, 0, 0]])
    np.testing.assert_allclose(verdicts.flip_places(decisions, np.array([0.0, 10, 20, 30])), [15, np.nan, 5])


PETS = draw_pets(12, 32)
AS_THEY_ARE = ScanItems(PETS, np.array(["cat", "dog"] * 6))


def test_an_unsure_network_that_a_factor_leads_is_found_out():
    """Any change of pixels flips it as likely as not, so that nearly every item flips somewhere; light leads it."""
    pattern = torch.randn(PETS[0].shape, generator=torch.Generator().manual_seed(0))

    def answer(x):
        unsure = 4 * torch.sign(torch.sin(2e4 * (x * pattern).mean((1, 2, 3))))
        z = 60 * (x.mean((1, 2, 3)) - PETS.mean()) + unsure
        return torch.stack([-z, z], 1).softmax(1)

    x = PETS.repeat(6, 1, 1, 1) + 0.02 * torch.randn(72, 1, 1, 1, generator=torch.Generator().manual_seed(1))
    items = ScanItems(x.clamp(0, 1), np.array(["cat", "dog"] * 36))
    grids = [value_ranges.grid_of(n, x, value_ranges.readings_of(FACTORS[n], x)) for n in ("brightness", "shift_x")]
    rows = {row["factor"]: row for row in scan_factors(answer, items, grids, np.random.default_rng(0), beyond=False)[0]}
    assert rows["brightness"]["used"] == "used" and rows["shift_x"]["used"] != "used"
    assert 0.1 < rows["brightness"]["null_flips"] < 0.5 and rows["brightness"]["flips"] < 1


def test_a_network_that_answers_every_item_alike_is_said_to():
    alike = np.tile([0.3, 0.7], (5, 1))
    assert one_answer(alike, ["cat", "dog"]).startswith("it answers dog to every item")
    assert one_answer(np.vstack([alike, [[0.6, 0.4]]]), ["cat", "dog"]) == ""
    assert one_answer(np.tile([0.6, 0.9], (5, 1)), ["effusion", "oedema"]) == ""  # labels: both may be there


@pytest.mark.parametrize(("hum", "told"), [(None, False), ((50.0, "Hz"), "50 Hz"), ((24, "cycles a window"), "24 cy")])
def test_a_scan_of_signals_says_which_hum_it_asks_about(hum, told):
    said = limit_in_words(hum)
    assert said.startswith(LIMIT) and (told in said if told else said == LIMIT)


def test_chance_alone_is_rarely_called_used():
    """Twenty networks that answer by a random pattern: no factor is called used of more than one of them."""
    rng, found = np.random.default_rng(0), 0
    names = ("brightness", "contrast", "zoom", "shift_x")
    grids = [value_ranges.grid_of(n, PETS, value_ranges.readings_of(FACTORS[n], PETS)) for n in names]
    rule = verdicts.ScanRule(items=1)
    for _ in range(20):
        pattern = torch.from_numpy(rng.standard_normal(PETS[0].shape)).float()
        pattern -= pattern.mean((1, 2), keepdim=True)
        middle = float((PETS * pattern).sum((1, 2, 3)).median())
        rows, _, _ = scan_factors(_by_pattern(pattern, middle), AS_THEY_ARE, grids, rng)
        found += sum(row["used"] == "used" for row in verdicts.judge_factors(rows, rule))
    assert found <= 1


def _by_pattern(pattern, middle):
    """An answer by the sum of what a pattern of weights sees."""
    z = lambda x: ((x * pattern).sum((1, 2, 3)) - middle)[:, None]  # noqa: E731
    return lambda x: torch.cat([-z(x), z(x)], 1).softmax(1)


# ---- factors of which the items hold one value ---------------------------------------------------------------------


def grid(source, axis=(0.0, 1.0)):
    return value_ranges.ValueGrid("tag", np.zeros((40, 2)), np.array(axis), "of full opacity", source)


@pytest.mark.parametrize("source", ["data", "spread", "planted", "usual", "given"])
def test_a_range_of_the_data_that_changes_less_than_a_grey_level_is_one_value(source):
    of_data = source in ("data", "spread")
    far = np.tile([0.0, 0.9 * GREY_LEVEL], (40, 1))
    assert is_one_value(grid(source), far, 0.1) is of_data
    assert is_one_value(grid(source, (3, 3)), np.full((40, 2), 0.2), 0.0) is of_data, "moved, but everywhere alike"
    assert not is_one_value(grid(source), far / 0.8, 0.1), "it can be seen"
    assert not is_one_value(grid(source), far, 0.3), "the answer moves all the same"
    few, some = (far * np.where(np.arange(40) < n, 9, 1)[:, None] for n in (3, 6))
    assert is_one_value(grid(source), few, 0.1) is of_data and not is_one_value(grid(source), some, 0.1)


def test_what_all_items_hold_alike_is_not_asked_about():
    """Pets without a border or a tag: neither is asked about, unless a network goes by the little that is there."""
    x = PETS.repeat(3, 1, 1, 1)
    items, names = ScanItems(x, np.array(["cat", "dog"] * 18)), ("brightness", "border", "tag")
    grids = [value_ranges.grid_of(n, x, value_ranges.readings_of(FACTORS[n], x)) for n in names]

    def rows_of(answer):
        rows = scan_factors(answer, items, grids, np.random.default_rng(0), beyond=False)[0]
        return {row["factor"]: scan_sentences.tell_row(row) for row in rows}

    constant = rows_of(lambda x: torch.full((len(x), 2), 0.5))
    assert {name for name, row in constant.items() if row["one_value"]} == {"border", "tag"}
    assert {row["used"] for row in constant.values()} == {"not used"}, "programs read the verdict as before"
    middle, read = grids[2].axis.mean(), meter_named("tag")

    def by_the_little_there_is(x):
        z = 1e4 * torch.from_numpy(measure_all(x[:, None].numpy(), {"tag": read})["tag"][:, 0] - middle)
        return torch.stack([-z, z], 1).softmax(1)

    row = rows_of(by_the_little_there_is)["tag"]
    assert not row["one_value"] and row["words"].startswith(row["used"]) and row["swing"] > 0.3


def told(name, used, one_value, axis, unit, source="data"):
    """A row of a scan with its words."""
    found = row(0.0, 0.0, 1.0) | {"flips": 0.0, "null_flips": 0.0, "p_holm": 1.0, "flips_at": None, "reached": 1.0}
    about = {"factor": name, "used": used, "axis": list(axis), "unit": unit, "source": source}
    return scan_sentences.tell_row(found | about | ({} if one_value is None else {"one_value": one_value}))


def test_a_scan_in_words_says_what_was_not_asked_about():
    border = told("border", "not used", True, [0, 0], "% of the side")
    tag = told("tag", "not used", True, [-0.02, 0.005], "of full opacity")
    zoom = told("zoom", "not used", True, [-0.1, 0.2], "% of the size", "spread")
    rows = [border, tag, told("blur", "not used", False, [-4, -3], "octaves")]
    model = {"title": "net", "remark": "", "factors": rows}
    model["headline"] = scan_sentences.headline(model)
    assert scan_sentences.scan_in_words({"models": {"network": model}}).splitlines() == [
        "  net: goes by no factor of the list, as far as can be told",
        "    not used: blur",
        "    not asked about, for all items hold the same: black border, opacity of the tag",
    ]
    assert "not asked about: black border" in border["words"] and ": 0 % of the side is what" in border["words"]
    assert ": -0.02 to 0.005 of full opacity is what nine tenths" in tag["words"]
    assert "-0\u202f% to 0\u202f% of the size is as far as" in zoom["words"]


def test_a_scan_of_before_is_told_as_it_was():
    old = told("blur", "not used", None, [-4, -3], "octaves")
    assert old["words"].startswith("not used: blur") and factor_questions.verdict_of(old) == "not used"


@pytest.mark.parametrize(("place", "unit", "left"), [
    ("22\u00b0", "degrees", ""), ("5\u202f%", "% of the size", "of the size"),
    ("0.5", "of full scale", "of full scale"),
    ("1.46", "% of full scale", "% of full scale"),
])  # fmt: skip
def test_a_unit_stands_once_beside_a_place(place, unit, left):
    assert factor_questions.unit_beside(place, unit) == left


# ---- the three questions -------------------------------------------------------------------------------------------


def test_separations_are_corrected_and_name_the_class():
    rng, labels = np.random.default_rng(0), np.repeat(["a", "b", "c"], 40)
    readings = {"apart": (labels == "b") + rng.normal(0, 0.1, 120), "alike": rng.normal(0, 1, 120), "unread": None}
    found = separations(readings, labels, rng)
    assert found["apart"]["of"] == "b" and found["apart"]["auroc"] == 1 and found["apart"]["differs"]
    assert not found["alike"]["differs"] and found["unread"] is None
    assert separations(readings, np.array(["a"] * 120), rng) == {}


def test_every_answer_has_words_and_the_walk_is_told():
    naming = [{"meter": "luminance", "named": True, "words": "gets darker by 0.20", "p_any": 0.01}]
    rows = {"aae": "used", "baseline": "not used"}
    models = {
        key: {"title": key, "factors": [{"factor": "brightness", "noun": "light", "meter": "luminance", "used": used}]}
        for key, used in rows.items()
    }
    for differs, answer in ((True, "likely shortcut"), (False, "used but balanced")):
        ends = (0.9, 0.8, 0.95) if differs else (0.5, 0.45, 0.55)
        data = {"brightness": {"differs": differs} | dict(zip(("auroc", "low", "high"), ends, strict=True))}
        (found,) = factor_questions.question_rows({"models": models, "data": data}, naming)
        assert found["answer"] == answer and found["walk"] == {
            "shown": True, "words": "gets darker by 0.20", "p": 0.01, "why": ""}  # fmt: skip
        assert "the walk gets darker by 0.20" in factor_questions.questions_in_words([found])[0]
    wide = {"brightness": {"differs": False, "auroc": 0.58, "low": 0.46, "high": 0.7}}
    (found,) = factor_questions.question_rows({"models": models, "data": wide}, naming)
    assert found["data"]["says"] == "cannot tell" and found["answer"].endswith("cannot be told")
    models["aae"]["factors"][0]["used"] = "not used"
    (found,) = factor_questions.question_rows({"models": models, "data": data}, naming)
    assert found["answer"] == "the walk alone shows it", "of a factor that is neither in the data nor used"
    (found,) = factor_questions.question_rows({"models": models, "data": data})
    assert found["answer"] == "nothing"
    models["aae"]["factors"][0]["used"] = "used"
    (found,) = factor_questions.question_rows({"models": models})
    assert found["walk"] is None and found["answer"].startswith("used; whether")


@pytest.mark.parametrize(("differs", "answer"), [
    (True, "there, but too little of it to ask about"), (False, "same in all items"), (None, "same in all items"),
])  # fmt: skip
def test_a_factor_of_one_value_is_not_said_to_be_used_by_none(differs, answer):
    """Only where no model was asked; and a walk that shows it is told all the same."""
    about = {"factor": "tag", "noun": "tag", "meter": "tag", "used": "not used", "one_value": True}
    scan = {"models": {key: {"title": key, "factors": [about]} for key in ("aae", "baseline")}}
    if differs is not None:
        ends = (0.9, 0.8, 0.95) if differs else (0.5, 0.45, 0.55)
        scan["data"] = {"tag": {"differs": differs} | dict(zip(("auroc", "low", "high"), ends, strict=True))}
    (found,) = factor_questions.question_rows(scan)
    assert found["answer"] == answer and set(found["models"].values()) == {"same in all items"}
    naming = [{"meter": "tag", "named": True, "words": "gains 0.5 of the tag", "p_any": 0.01}]
    (walked,) = factor_questions.question_rows(scan, naming)
    assert walked["answer"] == (answer if differs else "the walk alone shows it")
    scan["models"]["baseline"]["factors"] = [about | {"used": "used", "one_value": False}]
    (found,) = factor_questions.question_rows(scan)
    assert found["models"] == {"aae": "same in all items", "baseline": "used"} and "same" not in found["answer"]


@pytest.mark.parametrize(("more", "why"), [
    ({"change_ci": [-0.01, 0.09]}, "its interval holds 0"),
    ({"change_ci": [0.01, 0.09]}, "too little, or not steadily"),
    ({"change_ci": [None, None]}, "too little, or not steadily"),
    ({}, "too little, or not steadily"),
    ({"change_ci": [2, 4], "accounts": 0.3}, "undoing that takes away 30 % of what is unlike in its ends"),
])  # fmt: skip
def test_a_walk_of_small_p_that_is_not_named_says_which_clause_it_fails(more, why):
    naming = [{"meter": "tag", "named": False, "words": "gains 0.05 of the tag", "p_any": 0.01} | more]
    about = {"factor": "tag", "noun": "tag", "meter": "tag", "used": "not used"}
    rows = factor_questions.question_rows({"models": {"aae": {"title": "AAE", "factors": [about]}}}, naming)
    assert rows[0]["walk"]["why"] == why and not rows[0]["walk"]["shown"]
    page = _environment().get_template("macros.html.j2").module.questions
    assert f"no, p = 0.01 (it gains 0.05 of the tag: {why})" in page(rows)
    del rows[0]["walk"]["why"]  # of before
    assert "(it gains 0.05 of the tag: too little, or not steadily)" in page(rows)


def test_a_scan_in_words_says_what_is_used_first():
    model = {"title": "net", "remark": "", "factors": []}
    used = {"used": "used", "noun": "light", "words": "used: light, swing 0.90"}
    quiet = {"used": "not used", "noun": "blur", "words": "not used: blur"}
    model["factors"] = [quiet, used]
    text = scan_sentences.scan_in_words({"models": {"network": model | {"headline": scan_sentences.headline(model)}}})
    assert text.splitlines() == ["  net: goes by the light", "    used: light, swing 0.90", "    not used: blur"]
