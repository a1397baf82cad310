"""Laws of an encoded run: which directions it is walked along, what they are called, and what is told of them."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.sharing import copy_of

from xaae.experiment.errors import InputError
from xaae.experiment.tasks import Target
from xaae.factors import rotation_network
from xaae.latent_nav import encoded_run
from xaae.latent_nav.contrasts import against_rest, contrast
from xaae.training.trained_run import open_trained_run

CLASSES = ["cat", "dog", "fox"]


class Opened(SimpleNamespace):
    """What an encoded run asks of a trained one."""

    def rows(self, split):
        return np.flatnonzero(self.table.split == split)

    def numbers(self, rows):
        return None


@pytest.fixture
def encoded(tmp_path):
    """300 codes (D = 5): each class far out along a dimension of its own; size grows along the last."""
    rng = np.random.default_rng(0)
    labels = np.array(CLASSES)[np.arange(300) % 3]
    z = rng.standard_normal((300, 5)) + 6 * np.eye(5)[np.arange(300) % 3]
    split = np.where(np.arange(300) // 3 % 4 == 0, "valid", "train")
    table = pd.DataFrame({"label": labels, "split": split, "size": 10 + 3 * z[:, 4], "pattern": "plain"})
    head = SimpleNamespace(weight=torch.eye(5)[:3])
    target = Target(classes=tuple(CLASSES))
    trained = Opened(folder=tmp_path, classes=CLASSES, table=table, target=target)
    args = trained, SimpleNamespace(head=head), z.astype(np.float32), z[:, :3], contrast("", CLASSES), rng
    return encoded_run.EncodedRun(*args)


def walked(encoded, *specs, away=()):
    """What `about` tells of the directions of specs."""
    encoded_run.find_directions(encoded, specs, away)
    return encoded_run.describe_directions(encoded)


@pytest.mark.parametrize(("classes", "more"), [(2, 0), (3, 3), (10, 10), (11, 0)])
def test_each_class_is_set_against_the_rest_where_there_are_several(classes, more):
    names = [f"c{i}" for i in range(classes)]
    specs = encoded_run.default_specs(contrast("", names))
    assert specs[: len(encoded_run.DEFAULT)] == encoded_run.DEFAULT and specs[0] == "lda"
    assert specs[len(encoded_run.DEFAULT) :] == tuple(("lda", against_rest(name, names)) for name in names[:more])
    if more:  # one of them may be the main direction's own
        assert ("lda", against_rest("c1", names)) not in encoded_run.default_specs(contrast("rest:c1", names))


def test_the_default_directions_are_told_by_name_and_contrast(encoded):
    found = walked(encoded, *encoded_run.default_specs(encoded.sides))
    assert list(found)[:8] == ["lda", "logistic", "head", "means", "severity", "gradient", "pca_1", "pca_2"]
    assert list(found)[-3:] == ["lda.cat", "lda.dog", "lda.fox"] and encoded.main == "lda"
    assert all(found[name]["contrast"] == "cat to fox" for name in list(found)[:11])
    assert found["lda.dog"]["contrast"] == "rest to dog"
    assert "dog against the rest" in found["lda.dog"]["title"] and "LDA with shrinkage" in found["lda.dog"]["title"]
    assert found["pca_2"]["title"] == "principal axis 2" and found["lda"]["title"] == "LDA with shrinkage"
    assert all(v is None for k, v in found["gradient"].items() if k in ("auc", "cohens_d", "cosine", "stability"))
    for name in ("lda", "logistic", "head", "means", "severity"):
        assert found[name]["auc"] > 0.99 and found[name]["cohens_d"] > 3 and found[name]["cosine"] > 0.9
    assert found["lda"]["stability"] > 0.9 and found["head"]["stability"] is None


def test_the_title_of_one_class_against_the_rest(encoded):
    found = walked(encoded, "lda", "lda@rest:dog")
    assert found["lda.dog"]["title"] == "LDA with shrinkage, dog against the rest"


def test_one_class_against_the_rest_points_to_that_class(encoded):
    encoded_run.find_directions(encoded, ["lda@rest:dog"])
    assert encoded.directions["lda.dog"].vector[1] > 0.8
    held = dict(np.load(encoded.trained.folder / "directions.npz"))
    np.testing.assert_array_equal(held["lda.dog.direction"], encoded.way.vector)


@pytest.mark.parametrize("name", ["cat", "dog"])
def test_a_direction_is_judged_by_its_own_contrast(encoded, name):
    found = walked(encoded, "lda", f"lda@rest:{name}")[f"lda.{name}"]
    assert found["auc"] > 0.99 and found["cohens_d"] > 3


@pytest.mark.parametrize(("text", "told"), [("cat:dog", "cat to dog"), ("dog:rest", "dog to cat or fox")])
def test_a_contrast_of_ones_own_is_told_as_it_is(encoded, text, told):
    encoded_run.find_directions(encoded, ["lda", f"lda@{text}"])
    (found,) = (v for k, v in encoded_run.describe_directions(encoded).items() if k != "lda")
    assert found["contrast"] == told and "against the rest" not in found["title"]


def test_a_column_of_numbers_gives_a_direction(encoded):
    found = walked(encoded, "lda", "target:size")
    assert abs(encoded.directions["target_size"].vector[4]) > 0.99 and found["target_size"]["stability"] is None
    assert "column of the table grows" in found["target_size"]["note"]


@pytest.mark.parametrize("column", ["pattern", "label", "age"])
def test_a_column_that_holds_no_numbers_is_refused(encoded, column):
    with pytest.raises(InputError, match=f"no column of numbers '{column}': choose from size"):
        encoded_run.find_directions(encoded, [f"target:{column}"])


def test_all_directions_are_kept_away_but_the_gradient(encoded):
    encoded_run.find_directions(encoded, ["lda", "gradient", "means"], ["dims:1", "target:size"])
    z, labels = encoded.z[encoded.trained.rows("train")], encoded.labels[encoded.trained.rows("train")]
    kept = [encoded.directions[name].vector for name in ("lda", "means")]
    fitted = [d.vector for spec in ("dims:1", "target:size") for d in encoded_run.fitted(encoded, spec)]
    assert max(abs(k @ f) for k in kept for f in fitted) < 1e-4 and encoded.directions["gradient"].vector is None
    gap = (z[labels == "fox"].mean(0) - z[labels == "cat"].mean(0)) @ kept[0]
    assert gap > 0 and encoded.way.scale == pytest.approx((z @ kept[0]).std(), rel=1e-4)


def test_positions_are_in_deviations_of_the_training_codes(encoded):
    encoded_run.find_directions(encoded, ["means"])
    train = encoded.trained.rows("train")
    sides = train[np.isin(encoded.labels[train], ["cat", "fox"])]  # what the direction was fitted on
    assert encoded.position(train).mean() == pytest.approx(0, abs=1e-4)
    assert encoded.position(sides).std() == pytest.approx(1, rel=1e-4)
    by_class = [encoded.position(np.flatnonzero(encoded.labels == c)).mean() for c in CLASSES]
    assert by_class == sorted(by_class) and by_class[2] - by_class[0] > 1


def test_classes_as_one_hot_follow_the_order_of_the_logits(encoded):
    np.testing.assert_array_equal(encoded.one_hot([0, 4, 2]), np.eye(3))


@pytest.mark.parametrize("names", [("rest", "a/b", "a b"), ("A", "a", "rest:a"), ("x" * 300, "x" * 300 + "y", ":"),
                                   ("@", "lda@rest:x", ","), (" a ", "a", "\u732b")])  # fmt: skip
def test_classes_of_any_name_have_directions_of_their_own(encoded, names):
    """No two share a name, not even where a disk takes no notice of capital letters; each leads to its own class."""
    renamed = dict(zip(CLASSES, names, strict=True))
    encoded.trained.table["label"] = encoded.trained.table.label.map(renamed)
    encoded.trained.classes = list(names)
    encoded.sides = contrast("", encoded.trained.classes)
    found = walked(encoded, *encoded_run.default_specs(encoded.sides))
    own = list(found)[-3:]
    assert len({name.casefold() for name in found}) == 14 and all(len(name.encode()) < 200 for name in found)
    assert all(not set(name) & set('/\\:@, "') for name in found)
    for k, name in enumerate(own):
        assert encoded.directions[name].sides.last == (names[k],) and encoded.directions[name].vector[k] > 0.8
        assert found[name]["contrast"] == f"rest to {names[k]}"


@pytest.mark.parametrize("names", [("a:b", "b", "c"), ("a", "b:c", ":"), (" x ", "y", "z")])
def test_a_contrast_of_classes_with_colons_or_blanks_is_understood(names):
    for first in names:
        for last in set(names) - {first}:
            found = contrast(f"{first}:{last}".strip(), names)
            assert (found.first, found.last) == ((first,), (last,))
        assert contrast(f"rest:{first}".strip(), names) == against_rest(first, names)


def test_its_own_meters_are_trained_once_if_before_the_models_are_there(toy_run, tmp_path, monkeypatch):
    made, train = [], rotation_network.train_rotation_network
    monkeypatch.setattr(encoded_run, "_meters_folder", lambda root: tmp_path / "meters")
    monkeypatch.setattr(rotation_network, "train_rotation_network", lambda *args: made.append(1) or train(*args))
    run = copy_of(toy_run, tmp_path / "run")
    (run / "model.safetensors").rename(tmp_path / "later")
    encoded_run.meters_ahead(run)
    (tmp_path / "later").rename(run / "model.safetensors")
    assert len(encoded_run.encode_run(open_trained_run(run)).meters) > 1 and len(made) == 1
