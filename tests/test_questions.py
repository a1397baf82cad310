"""Laws of what an audit trains and asks: equal settings share a folder, a question finds its own answer alone."""

import json
from dataclasses import replace

import numpy as np
import pytest

from xaae.audit import interview as interviews
from xaae.audit.arms import Arm, Condition, make_arms, make_conditions
from xaae.audit.audit_plan import CAM_STAGE, SETTINGS_FILE, check_folders, method_parameters
from xaae.audit.questions import AnswersQuestion, MapsQuestion, QuestionPlan, WalksAnswer, WalksQuestion
from xaae.experiment.audit_settings import AUDITS, audit_settings
from xaae.experiment.errors import InputError
from xaae.explain.method import find_method

TAG = Condition("tag")
PLAN = QuestionPlan(("aae", "baseline"), 13, ("head",), 19, {"aae": {"saliency": {}}, "baseline": {"gradcam": {}}}, 3)
FOLDERS = {arm: [f"{arm}-{i}" for i in range(3)] for arm in ("biased", "normal", "irrelevant")}


# ---- settings ---------------------------------------------------------------------------------------------------


def test_settings_are_those_of_the_preset_unless_given():
    settings = audit_settings(preset="smoke", factors=["blur", "tag"], seeds=None, methods=(), baseline_epochs=0)
    assert settings.factors == ("blur", "tag") and settings.baseline_epochs == 0
    same = replace(settings, factors=AUDITS["smoke"].factors, baseline_epochs=AUDITS["smoke"].baseline_epochs)
    assert same == AUDITS["smoke"] and json.loads(json.dumps(settings.as_dict()))["factors"] == ["blur", "tag"]


@pytest.mark.parametrize(
    ("given", "code", "directions"),
    [
        ({}, "factored", ["led:aae", "led:baseline", "lda", "means"]),
        ({"baseline_epochs": 0}, "factored", ["led:aae", "lda", "means"]),  # no model leads that was not trained
        ({"code": "plain"}, "plain", ["lda", "head", "means"]),
        ({"directions": ["lda"]}, "factored", ["lda"]),
        ({"preset": "smoke"}, "plain", ["head"]),
        ({"preset": "smoke", "code": "factored"}, "factored", ["led:aae", "led:baseline", "lda", "means"]),
    ],
)
def test_the_walks_are_those_of_the_code_unless_given(given, code, directions):
    settings = audit_settings(**given)
    assert settings.code == code and list(settings.directions) == directions


def test_a_setting_that_is_not_there_is_refused():
    with pytest.raises(TypeError, match="colour"):
        audit_settings(preset="smoke", colour="red")


# ---- arms -------------------------------------------------------------------------------------------------------


def test_arms_with_the_same_settings_share_a_folder():
    base = {"dataset": "synthpets", "label_noise": 0.4}
    a, b = make_conditions(["rotation", "tag"])
    assert Arm(a, "normal", 0).key(base) == Arm(b, "normal", 0).key(base)
    assert Arm(a, "biased", 0).key(base) != Arm(b, "biased", 0).key(base)
    half, whole = make_conditions(["rotation"], contaminations=[0.5, 1.0])
    assert Arm(half, "irrelevant", 1).key(base) == Arm(whole, "irrelevant", 1).key(base)
    assert Arm(half, "biased", 1).key(base) != Arm(whole, "biased", 1).key(base)
    assert Arm(a, "biased", 0).key(base) != Arm(a, "biased", 0).key(base | {"epochs": 3})


def test_labels_are_noisy_in_the_biased_arm_alone():
    base = {"dataset": "synthpets", "label_noise": 0.4, "dataset_note": "no setting of a run"}
    noise = {arm: Arm(TAG, arm, 0).run_settings(base).label_noise for arm in FOLDERS}
    assert noise == {"biased": 0.4, "normal": 0, "irrelevant": 0}


def test_a_sweep_has_every_combination_and_names_them():
    conditions = make_conditions(["tag"], [1.0, 0.5], [1.0, 0.8])
    keys = ["tag", "tag, contamination 0.8", "tag, strength 0.5", "tag, strength 0.5, contamination 0.8"]
    assert [c.key for c in conditions] == keys and len({c.file_name for c in conditions}) == 4
    with pytest.raises(InputError, match="no factor 'hat'"):
        make_conditions(["hat"])


def test_more_seeds_of_arm_irrelevant_are_trained_for_the_first_factor_alone():
    first, second = make_arms(make_conditions(["tag", "rotation"]), 3, 6).values()
    assert [len(first[a]) for a in ("biased", "irrelevant", "normal")] == [3, 6, 3]
    assert [len(second[a]) for a in ("biased", "irrelevant", "normal")] == [3, 3, 3]
    assert first["normal"][0].title() == "normal, seed 0" and first["biased"][2].title() == "tag, biased, seed 2"


def test_cams_of_small_pictures_look_at_a_later_stage():
    cam = find_method("gradcam")
    assert method_parameters(cam, "baseline", 32) == {"layer": CAM_STAGE}
    assert method_parameters(cam, "baseline", 64) == method_parameters(cam, "aae", 32) == {}


def test_a_folder_of_drawn_pictures_is_no_audit_and_a_file_holds_no_arms(tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "settings.json").write_text("{}")
    with pytest.raises(InputError, match="something other than an audit"):
        check_folders(tmp_path / "pictures", tmp_path / "arms")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="give --arms a folder"):
        check_folders(tmp_path / "new", tmp_path / "file")
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / SETTINGS_FILE).write_text("{}")
    check_folders(tmp_path / "begun", tmp_path / "arms")


# ---- the store --------------------------------------------------------------------------------------------------


def walks_of(folder, **more):
    """A question about walks."""
    about = {"directions": ("head",), "oracle": "other"} | more
    return WalksQuestion(str(folder), TAG, "aae", 13, **about)


def maps_of(folder, **more):
    """A question about maps."""
    about = {"method": "occlusion", "parameters": (("window", 8),)} | more
    return MapsQuestion(str(folder), TAG, "aae", 13, **about)


@pytest.mark.parametrize(
    ("question", "changes"),
    [
        (AnswersQuestion("arm", TAG, "aae", 13), {"folder": "b", "condition": Condition("tag", 0.5), "probe": 14}),
        (
            walks_of("arm"),
            {"directions": ("lda",), "random_directions": 99, "oracle": None, "probe": 14, "spacing": "alpha"},
        ),
        (maps_of("arm"), {"parameters": (), "sets": ("with",), "checks": True, "method": "rise", "model": "baseline"}),
    ],
)
def test_whatever_differs_is_kept_elsewhere(question, changes):
    others = [replace(question, **{name: value}) for name, value in changes.items()]
    assert len({each.path for each in (question, *others)}) == 1 + len(others)
    assert replace(question).path == question.path and hash(replace(question)) == hash(question)


def test_answers_of_versions_that_knew_even_steps_of_alpha_alone_answer_that_question_only():
    kept = [13, ["head"], 100, "other"]  # what told such a question apart
    assert walks_of("arm", spacing="alpha").asked_with == kept
    assert walks_of("arm").asked_with == [*kept, "arc"]


def test_an_oracle_that_moved_is_still_the_same_one():
    assert walks_of("arm", oracle="/here/irrelevant-0").path == walks_of("arm", oracle="/there/irrelevant-0").path


@pytest.mark.parametrize("make", [walks_of, maps_of])
def test_what_is_written_is_read(make, tmp_path):
    question = make(tmp_path)
    assert not question.is_answered()
    arrays = {"difference": np.linspace(-1, 1, 12, dtype=np.float32).reshape(2, 6), "flips": np.array([True, False])}
    if make is walks_of:
        answer = WalksAnswer(0.5, 0.1, {"head": [{"meter": "tag", "p": 0.05}]}, {"head": arrays})
        question.write(answer)
        read = make(tmp_path).read()
        assert (read.shift, read.error, read.tables) == (answer.shift, answer.error, answer.tables)
        read = read.arrays["head"]
    else:
        question.write(arrays | {"removal": 0.25})
        read = make(tmp_path).read()
        assert read.pop("removal") == 0.25
    assert make(tmp_path).is_answered() and set(read) == set(arrays)
    np.testing.assert_allclose(read["difference"], arrays["difference"], atol=1e-3)
    np.testing.assert_array_equal(read["flips"], arrays["flips"])


def test_every_arm_is_asked_everything_once():
    questions = PLAN.questions(TAG, FOLDERS)
    for arm, models in questions.items():
        for folder, each in zip(FOLDERS[arm], models, strict=True):
            asked = list(each)
            assert {q.folder for q in asked} == {folder} and len({q.path for q in asked}) == len(asked) == 7
            assert {q.checks for q in each.maps.values()} == {arm == "biased"}


def test_the_oracle_is_a_model_of_arm_irrelevant_that_is_not_asked_about_itself():
    for arm, models in PLAN.questions(TAG, FOLDERS).items():
        oracles = [each.walks.oracle for each in models]
        assert oracles == [None] * 3 if arm == "normal" else set(oracles) == set(FOLDERS["irrelevant"])
        assert all(each.walks.oracle != each.walks.folder for each in models)


def test_an_interview_asks_what_is_open_and_survives_a_method_that_raises(tmp_path, monkeypatch):
    asked, open_question, kept = [], maps_of(tmp_path), maps_of(tmp_path, method="saliency")
    broken = maps_of(tmp_path, method="rise")
    kept.write({"with": np.zeros(3)})

    def give(question):
        asked.append(question)
        if question == broken:
            raise ZeroDivisionError("by nothing")
        return {"with": np.ones(3)}

    monkeypatch.setitem(interviews.GIVE, MapsQuestion, give)
    assert interviews.interview([kept, broken, open_question]) == {broken: "ZeroDivisionError: by nothing"}
    assert asked == [broken, open_question] and not broken.is_answered()
    assert open_question.read()["with"].sum() == 3 and kept.read()["with"].sum() == 0


def test_an_error_of_another_question_ends_the_interview(tmp_path, monkeypatch):
    def give(question):
        raise InputError("no run")

    monkeypatch.setitem(interviews.GIVE, WalksQuestion, give)
    with pytest.raises(InputError, match="no run"):
        interviews.interview([walks_of(tmp_path)])
