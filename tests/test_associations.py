"""Laws of facts that go with the class: what was planted is named, what proves nothing raises no alarm."""

import numpy as np
import pandas as pd
import pytest
from helpers.pictures import draw_noise

from xaae.experiment.tasks import Target
from xaae.first_look import associations
from xaae.first_look.look_sentences import alarms_of, words_of
from xaae.sources import item_facts


def compare(facts, labels, **options):
    """What `associate` finds of columns {name: (N,)}."""
    table = pd.DataFrame({"label": labels})
    return associations.associate(pd.DataFrame(facts), table, options.pop("target", Target()), **options)


def test_numbers_and_categories_are_measured_as_by_hand():
    labels = np.array(["a"] * 50 + ["b"] * 50)
    rng = np.random.default_rng(0)
    x = rng.normal(size=100) + (labels == "b")
    rows, _ = compare({"x": x, "site": np.where(labels == "a", "north", "south")}, labels)
    found = {row["fact"]: row for row in rows}
    by_hand = np.mean(x[50:, None] > x[:50])
    assert found["x"]["value"] == pytest.approx(by_hand) and found["x"]["measure"] == "AUROC"
    assert found["site"]["value"] == pytest.approx(1, abs=0.01) and found["site"]["shown"] == {"a": 1.0, "b": 0.0}


def test_cramers_v_is_not_pushed_up_by_many_categories():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(20):
        counts = pd.crosstab(rng.integers(0, 2, 100), rng.integers(0, 15, 100))
        found.append(associations.cramers_v(counts))
    assert np.mean(found) < 0.1 and associations.cramers_v([[50, 0], [0, 50]]) == pytest.approx(1, abs=0.01)


def test_of_several_classes_the_one_that_differs_is_named():
    labels = np.repeat(["a", "b", "c"], 40)
    rows, _ = compare({"x": np.random.default_rng(0).normal(size=120) + 3 * (labels == "c")}, labels)
    assert rows[0]["of"] == "c" and rows[0]["grade"] == "gives away"


def test_facts_that_cannot_go_with_anything_are_told_apart():
    labels = np.repeat(["a", "b"], 20)
    facts = {"same": np.ones(40), "unique": [f"n{i}" for i in range(40)], "none": np.full(40, np.nan)}
    rows, skipped = compare(facts, labels)
    assert not rows and set(skipped) == set(facts) and skipped["same"] == "1 in all items"


def test_a_fact_that_only_one_class_has_is_named():
    labels = np.repeat(["a", "b"], 20)
    rows, _ = compare({"x": np.where(labels == "a", 1.0, np.nan)}, labels)
    assert rows[0]["fact"] == "x given" and rows[0]["grade"] == "gives away"


def test_of_facts_that_part_the_items_alike_what_can_be_seen_is_told():
    labels = np.repeat(["photo", "mask"], 20)
    facts = {"JPEG quality": np.where(labels == "photo", 90.0, np.nan), "mode": np.where(labels == "photo", "RGB", "L")}
    (row,), _ = compare(facts, labels)
    assert (row["fact"], row["also"]) == ("mode", ["JPEG quality given"])
    assert "a classifier can tell the classes by it" in words_of(row)["sentence"]


def test_facts_that_part_the_items_alike_are_one():
    labels = np.repeat(["a", "b"], 20)
    rows, _ = compare({"x": np.where(labels == "a", 1.0, 2.0), "y": np.where(labels == "a", "u", "v")}, labels)
    assert len(rows) == 1 and rows[0]["also"] == ["y"]


def test_numbers_that_all_differ_are_facts_of_their_own():
    """Whatever stands before it, a number or the name of a series: what gives the class away is found."""
    rng, labels = np.random.default_rng(0), np.repeat(["a", "b"], 40)
    facts = {"noise": rng.normal(size=80), "series": [f"s{i}" for i in range(80)], "dose": np.arange(80.0)}
    rows, skipped = compare(facts | {"less dose": -np.arange(80.0)}, labels)
    found = {row["fact"]: row for row in rows}
    assert set(found) == {"noise", "dose"} and set(skipped) == {"series"}
    assert (found["dose"]["grade"], found["dose"]["also"]) == ("gives away", ["less dose"])


@pytest.mark.parametrize("patients", [8, 24])
def test_parts_of_few_files_are_counted_as_files(patients):
    """What a file has once, as its date, goes with the class in all its slices: that proves nothing of a few files."""
    file = np.repeat(np.arange(patients), 50)
    labels, groups = np.where(file < patients // 2, "a", "b"), pd.Series(file.astype(str))
    facts = {"date": np.random.default_rng(1).permutation(patients)[file] * 1.0, "site": [f"s{i % 7}" for i in file]}
    rows, skipped = compare(facts, labels, groups=groups)
    assert not alarms_of({"metadata": rows}) and all(row["counted"] == "groups" for row in rows)
    assert len(rows) + len(skipped) == 2 and (patients == 24 or "fewer than 5 groups" in skipped["date"])


def test_the_most_frequent_category_stands_for_a_group():
    column = pd.Series(["x", "y", "y", "b", "a", "c", "c"], dtype=object)
    found = associations._typical_of_groups(column, np.array([0, 0, 0, 1, 1, 2, 2]))
    assert found.tolist() == ["y", "a", "c"]


def test_slices_of_few_patients_prove_nothing():
    """A number drawn once for each of 24 patients, on 50 slices each: by items it is significant, by patients not."""
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(24), 50)
    labels, x = np.where(patient < 12, "a", "b"), rng.normal(size=24)[patient]
    (by_item,), _ = compare({"x": x}, labels)
    (by_group,), _ = compare({"x": x}, labels, groups=pd.Series(patient.astype(str)))
    assert by_item["p"] < 0.001 < 0.05 < by_group["p"]
    assert (by_group["counted"], by_group["n"]) == ("groups", 24)


def test_a_severity_is_compared_by_its_order():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"label": ["low"] * 60, "score": rng.normal(size=60)})
    facts = pd.DataFrame({"x": np.exp(table.score), "site": np.where(table.score > 0, "north", "south")})
    rows, _ = associations.associate(facts, table, Target(task="severity", columns=("score",)))
    found = {row["fact"]: row for row in rows}
    assert found["x"]["measure"] == "Spearman" and found["x"]["value"] == pytest.approx(1)
    assert found["site"]["measure"] == "eta" and found["site"]["grade"] == "gives away"


def test_of_several_labels_the_one_that_a_fact_goes_with_is_named():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"label": "x", "fluid": rng.integers(0, 2, 80) * 1.0, "mass": rng.integers(0, 2, 80) * 1.0})
    table.loc[:9, "mass"] = np.nan
    target = Target(task="labels", columns=("fluid", "mass"))
    rows, _ = associations.associate(pd.DataFrame({"x": table.mass.fillna(0.5)}), table, target)
    assert rows[0]["of"] == "mass" and rows[0]["grade"] == "gives away" and rows[0]["n"] == 70


def test_a_label_of_few_items_hides_no_other():
    """By chance a fact parts the few items of a rare label; what it says of a common one is told all the same."""
    rng, n = np.random.default_rng(0), 400
    rare, common = np.full(n, np.nan), np.repeat([0.0, 1.0], n // 2)
    x = rng.normal(size=n) + 1.2 * common
    places = np.array(sorted(rng.permutation(n)[:10], key=x.__getitem__))
    rare[places] = [0, 0, 0, 1, 1, 0, 0, 1, 1, 1]
    table = pd.DataFrame({"label": "x", "rare": rare, "common": common})
    (row,), _ = associations.associate(pd.DataFrame({"x": x}), table, Target(task="labels", columns=tuple(table)[1:]))
    assert row["of"] == "common" and row["grade"] == "goes with" and row["p_holm"] < 0.001


def test_shuffled_labels_of_a_clean_folder_raise_at_most_one_alarm(tmp_path):
    rng, paths = np.random.default_rng(7), []
    for i in range(200):
        side, path = int(rng.integers(12, 40)), tmp_path / f"{rng.choice(['IMG', 'scan'])}_{i}"
        path = path.with_suffix(rng.choice([".jpg", ".png"]))
        draw_noise(rng, side).save(path, **({"quality": int(rng.integers(60, 96))} if path.suffix == ".jpg" else {}))
        paths.append(path)
    facts, _ = item_facts.read_item_facts(paths, quiet=True)
    facts["camera"] = rng.choice([f"camera {i}" for i in range(30)], 200)  # many categories, few items of each
    facts["age"] = rng.integers(20, 90, 200) * 1.0
    alarms = []
    for _ in range(20):
        labels = rng.choice(["a", "b", "c"], 200)
        facts["file name"] = item_facts.name_patterns(paths, labels)
        rows, _ = compare(facts.drop(columns="file date"), labels)
        assert len(rows) >= 7
        alarms.append(len(alarms_of({"metadata": rows})))
    assert sum(alarms) <= 1


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_column_that_is_infinite_or_blank_is_told_in_words():
    labels = np.repeat(["a", "b"], 20)
    facts = {"column x": np.tile([np.inf, -np.inf], 20), "column y": np.where(labels == "a", 1, np.nan)}
    rows, _ = compare(facts, labels)
    sentences = [words_of(row)["sentence"] for row in rows]
    assert sentences[0].startswith("Whether the column y is filled gives the class away") and len(rows) == 2
