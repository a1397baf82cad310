"""Laws of the data: the same seed gives the same table, arms mean what they say, loading obeys the table."""

import textwrap
from pathlib import Path

import fastai.callback.progress  # noqa: F401  (patches no_bar onto the Learner)
import numpy as np
import pandas as pd
import pytest
import torch
from fastai.data.core import Datasets
from fastai.metrics import accuracy
from fastai.torch_core import TensorCategory, TensorImage, TensorMultiCategory, set_seed
from fastai.vision.learner import vision_learner
from helpers.pictures import save_pictures
from torchvision.models import resnet18

from xaae import data
from xaae.experiment.errors import InputError
from xaae.experiment.kinds import PICTURE
from xaae.experiment.tasks import Target
from xaae.experiment.vocabulary import COLUMNS
from xaae.factors import bias as biases
from xaae.factors.coordinates import Coordinate, Moves
from xaae.sources import picture_files
from xaae.sources.items import open_items

CLASSES = ["left", "right"]


def planted_table(folder, arm="biased", seed=0, **options):
    table = data.load_table(str(folder), **options)
    return data.plant(table, biases.make_bias(CLASSES, arm=arm), seed)


def test_the_example_of_how_a_dataset_is_added_works(tmp_path, monkeypatch):
    code = textwrap.dedent("\n".join(line for line in data.__doc__.splitlines() if line.startswith("    ")))
    assert len(code.splitlines()) <= 10
    names = {"pd": pd, "Path": Path}
    exec(code, names)  # the docstring's own words
    save_pictures(tmp_path / "mine", n=6)
    rows = [f"{side}/{i:03d}.png,{side},p{i},{40 + i}" for side in ("left", "right") for i in range(6)]
    (tmp_path / "mine" / "patients.csv").write_text("\n".join(["file,diagnosis,patient,age", *rows]))
    monkeypatch.setitem(data.DATASETS, "mine", names["mine"])
    found = data.load_dataset("mine", tmp_path, "group")
    assert set(found.table.label) == {"left", "right"} and found.table.age.max() == 45
    table, items, unread = open_items(PICTURE, found.table, 16, 3)
    assert len(table) == len(items) == 12 and not len(unread)
    assert not set(table.group[table.split == "train"]) & set(table.group[table.split == "valid"])


def test_same_seed_same_table(pictures_folder):
    a, b, c = (planted_table(pictures_folder, seed=s) for s in (0, 0, 1))
    pd.testing.assert_frame_equal(a, b)
    assert not np.array_equal(a.value, c.value) and tuple(a.columns[:6]) == COLUMNS
    assert set(a.split) == {"train", "valid"} and (a.split == "valid").mean() == pytest.approx(0.2)


@pytest.fixture
def loaded(pictures_folder):
    table = planted_table(pictures_folder)
    table, found, skipped = picture_files.open_pictures(table, 32, 3, quiet=True)
    assert skipped.empty
    return table, found


def test_loading_obeys_the_table_for_validation_and_redraws_for_training(loaded):
    table, found = loaded
    dls = data.dataloaders(table, found, biases.make_bias(CLASSES), CLASSES, bs=8)
    valid = table[table.split == "valid"]
    expected = data.render_items(found, valid.index.to_numpy(), valid.value.to_numpy(), biases.make_bias(CLASSES))
    seen = [torch.cat([x.as_subclass(torch.Tensor) for x, _ in dls.valid]).cpu() for _ in range(2)]
    torch.testing.assert_close(seen[0], expected)
    torch.testing.assert_close(seen[0], seen[1])
    first, again = epochs_of(dls)
    assert (first != again).flatten(1).any(1).all()
    first, again = epochs_of(data.dataloaders(table, found, biases.make_bias(CLASSES), CLASSES, bs=8, seed=None))
    assert torch.equal(first, again)


@pytest.mark.parametrize("moves", [None, Moves([Coordinate("rotation"), Coordinate("zoom")], "rotation", (0, 180))])
def test_batches_are_augmented_and_planted_as_a_whole_on_the_device_that_trains(loaded, monkeypatch, moves):
    """Torch's device "meta", which has no values, stands for one that no test machine has."""
    (table, found), seen, augment = loaded, [], data.augment
    note = lambda x: seen.append((x.device.type, len(x)))  # noqa: E731
    monkeypatch.setattr(biases.Bias, "plant", lambda self, x, values: note(x) or x)
    monkeypatch.setattr(data, "augment", lambda x, names: note(x) or augment(x, names))
    options = {"device": torch.device("meta"), "moves": moves, "augmentations": ["flip", "gain"]}
    dls = data.dataloaders(table, found, biases.make_bias(CLASSES), CLASSES, bs=8, **options)
    seen.clear()
    x = next(iter(dls.train))[0]
    versions = 1 if moves is None else 2
    assert seen == [("meta", 8)] * (1 + versions) and (x.device.type, len(x)) == ("meta", 8 * versions)


def epochs_of(dls):
    """The training pictures of two epochs, in order."""
    train = dls.train.new(shuffle=False, drop_last=False)
    return [torch.cat([x.as_subclass(torch.Tensor) for x, _ in train]) for _ in range(2)]


def test_what_was_read_is_kept_without_a_tensor_for_each_row_and_batches_have_the_types_of_fastai(loaded):
    table, found = loaded
    table = table.assign(age=np.arange(len(table), dtype=float))
    for target, kind in [
        (Target(), TensorCategory),
        (Target("severity", ("age",), mean=3.0, std=2.0), torch.Tensor),
        (Target("labels", ("age",)), TensorMultiCategory),
    ]:
        dls = data.dataloaders(table, found, biases.make_bias(CLASSES), CLASSES, bs=8, target=target)
        x, y = next(iter(dls.valid))
        kept = [dls.valid.create_item(i) for i in range(len(y))]
        assert type(x) is TensorImage and type(y) is kind and len(dls.valid.read) == len(dls.valid_ds)
        assert not any(isinstance(each, torch.Tensor) for item in kept for each in item)
        assert y.as_subclass(torch.Tensor).tolist() == [np.asarray(answer).tolist() for _, answer in kept]


def test_redrawn_values_stay_in_the_class_range():
    redraw = data.Redraw(biases.make_bias(CLASSES), seed=3)
    values = [redraw.encodes(data.Planted(0, "right", 91.0)).value for _ in range(200)]
    assert 90 <= min(values) < 95 and 175 < max(values) <= 180


def test_one_hot_and_plain_targets(loaded):
    table, found = loaded
    plain, one_hot = (
        data.dataloaders(table, found, biases.make_bias(CLASSES), CLASSES, bs=8, target=Target(one_hot=hot))
        for hot in (False, True)
    )
    y, hot = plain.valid.one_batch()[1].cpu(), one_hot.valid.one_batch()[1].cpu()
    assert hot.shape == (8, 2) and torch.equal(hot.argmax(1), torch.as_tensor(y))
    plain.show_batch(max_n=2, show=False)


FACTORS = [("rotation", 0), ("brightness", 1e-6), ("blur", 0.01)]  # a blur reaches as far as its batch's strongest


@pytest.mark.parametrize(("factor", "bound"), FACTORS)
def test_a_batch_is_rendered_at_once_and_as_its_items_would_be(loaded, monkeypatch, factor, bound):
    table, found = loaded
    planted, asked, read = biases.make_bias(CLASSES, factor=factor), [], type(found).__getitem__
    monkeypatch.setattr(type(found), "__getitem__", lambda items, rows: asked.append(rows) or read(items, rows))
    table = data.plant(table, planted)
    dls = data.dataloaders(table, found, planted, CLASSES, bs=16)
    asked.clear()
    x = torch.cat([x.as_subclass(torch.Tensor).cpu() for x, _ in dls.valid])
    assert asked == [rows := list(table.index[table.split == "valid"])]
    alone = [data.render_items(found, [row], [table.value[row]], planted) for row in rows]
    torch.testing.assert_close(x, torch.cat(alone), atol=bound + 1e-6, rtol=0)


def test_every_training_item_is_met_once_with_its_own_target(loaded):
    table, found = loaded
    normal = biases.make_bias(CLASSES, arm="normal")
    dls = data.dataloaders(data.plant(table, normal), found, normal, CLASSES, bs=8)
    upright = {found[[row]].numpy().tobytes(): row for row in table.index}
    for _ in range(2):
        seen = [(upright[p.cpu().numpy().tobytes()], int(k)) for x, y in dls.train for p, k in zip(x, y, strict=True)]
        assert {row for row, _ in seen} == set(table.index[table.split == "train"]) and len(seen) == len(set(seen))
        assert all(CLASSES[k] == table.label[row] for row, k in seen)


def test_same_seed_same_batches_and_another_seed_others(loaded):
    table, found = loaded

    def batches(seed):
        set_seed(5)
        dls = data.dataloaders(table, found, biases.make_bias(CLASSES), CLASSES, bs=8, seed=seed)
        return torch.cat([x.as_subclass(torch.Tensor).cpu() for _ in range(2) for x, _ in dls.train])

    first = batches(0)
    assert torch.equal(first, batches(0)) and not torch.equal(first, batches(1))


def test_the_table_is_read_once_however_many_epochs(loaded, monkeypatch):
    table, found = loaded
    dls, read = data.dataloaders(table, found, biases.make_bias(CLASSES), CLASSES, bs=8), []
    ask = Datasets.__getitem__
    monkeypatch.setattr(Datasets, "__getitem__", lambda items, i: read.append(i) or ask(items, i))
    for _ in range(3):
        list(dls.train)
    assert 8 <= len(read) == len(set(read)) <= len(dls.train_ds) == (table.split == "train").sum()


def test_batches_are_what_fastai_makes_of_them(loaded):
    table, found = loaded
    dls = data.dataloaders(table, found, biases.make_bias(CLASSES), CLASSES, bs=8)
    assert (dls.n_inp, dls.c, list(dls.vocab)) == (1, 2, CLASSES)
    for x, y in (dls.one_batch(), dls.valid.one_batch(), dls.train.new(bs=4).one_batch()):
        assert type(x) is TensorImage and type(y) is TensorCategory and x.dtype == torch.float32
        assert x.shape[1:] == (3, 32, 32) and 0 <= x.min() and x.max() <= 1 and len(x) == len(y)
    unlabelled = dls.test_dl(table.iloc[:5])
    assert [b[0].shape for b in unlabelled] == [(5, 3, 32, 32)] and len(unlabelled.one_batch()) == 1
    assert torch.equal(dls.test_dl(table.iloc[:5], with_labels=True).one_batch()[1].cpu(), torch.zeros(5).long())


def test_a_learner_validates_predicts_and_does_not_move_what_validation_sees(loaded, tmp_path):
    table, found = loaded
    dls = data.dataloaders(table, found, biases.make_bias(CLASSES), CLASSES, bs=8)
    learn = vision_learner(dls, resnet18, pretrained=False, normalize=False, metrics=accuracy, path=tmp_path)
    with learn.no_bar(), learn.no_logging():
        before, again = learn.validate(), learn.validate()
        learn.fit(1, 1e-4)
        probabilities, targets = learn.get_preds()
    assert before == again and probabilities.shape == (len(dls.valid_ds), 2)
    assert [CLASSES[k] for k in targets] == list(table.label[table.split == "valid"])


def test_csv_with_its_own_split_and_groups(pictures_folder, tmp_path):
    files = sorted(pictures_folder.rglob("*.png"))
    splits = ["test", "valid", "train", "train", "train"]
    rows = [(p.relative_to(tmp_path), p.parent.name, splits[i % 5], f"g{i % 4}") for i, p in enumerate(files)]
    pd.DataFrame(rows, columns=["path", "label", "split", "group"]).to_csv(tmp_path / "items.csv", index=False)
    table = data.load_table(str(tmp_path / "items.csv"))
    assert table.split.value_counts().to_dict() == {"train": 24, "valid": 8, "test": 8}
    by_group = data.load_table(str(tmp_path / "items.csv"), split="group")
    assert not set(by_group.group[by_group.split == "train"]) & set(by_group.group[by_group.split == "valid"])


@pytest.mark.parametrize("text", ["file,class\na,b\n", "path,label,split\na.png,x,holdout\nb.png,y,train\n"])
def test_csv_that_is_no_table(tmp_path, text):
    (tmp_path / "items.csv").write_text(text)
    with pytest.raises(InputError):
        data.load_table(str(tmp_path / "items.csv"))


def npz(path, **replace):
    rng = np.random.default_rng(0)
    arrays = {
        f"{k}_images": rng.integers(0, 255, (n, 28, 28), np.uint8)
        for k, n in (("train", 30), ("val", 10), ("test", 10))
    }
    arrays |= {f"{k}_labels": np.arange(n)[:, None] % 2 for k, n in (("train", 30), ("val", 10), ("test", 10))}
    np.savez(path, **arrays | replace)


def test_medmnist_keeps_its_splits_and_names(tmp_path):
    npz(tmp_path / "pneumoniamnist.npz")
    table = data.load_table("medmnist:pneumoniamnist", tmp_path)
    assert table.split.value_counts().to_dict() == {"train": 30, "valid": 10, "test": 10}
    assert set(table.label) == {"normal", "pneumonia"}
    with np.load(tmp_path / "pneumoniamnist.npz") as arrays:
        expected = arrays["val_images"][3]
    row = table.index[table.split == "valid"][3]
    assert np.array_equal(picture_files.decode_picture(table.path[row], 28, 1)[0].numpy(), expected)


def test_medmnist_with_several_labels_is_refused(tmp_path):
    npz(tmp_path / "chestmnist.npz", train_labels=np.zeros((30, 14), int))
    with pytest.raises(InputError, match="several labels"):
        data.load_table("medmnist:chestmnist", tmp_path)


def test_fewer_items_keep_the_shares(pictures_folder):
    table = data.load_table(str(pictures_folder), items=20)
    assert len(table) == 20 and table.label.value_counts().to_dict() == {"left": 10, "right": 10}


def test_pets_layout(real):
    table = data.load_table("auto", real)
    assert len(table) == 1029 and table.label.value_counts().to_dict() == {"cat": 542, "dog": 487}
    assert table.group.nunique() == 37
    held = data.load_table("pets", real, split="group")
    assert not set(held.group[held.split == "train"]) & set(held.group[held.split == "valid"])
    assert 0.1 < (held.split == "valid").mean() < 0.4


def test_an_item_that_disobeys_does_so_in_every_epoch(loaded):
    """What items.csv says of an item is what it is trained on: drawn once."""
    table, found = loaded
    bias = biases.make_bias(CLASSES, contamination=0.5)
    table = data.plant(table, bias)
    assert 0.2 < table.obeys.mean() < 0.8
    own = table.apply(lambda row: bias.ranges[row.label][0] <= row.value <= bias.ranges[row.label][1], axis=1)
    assert own[table.obeys].all() and not own.all()
    redraw = data.Redraw(bias)
    for row in table[table.split == "train"].head(20).itertuples():
        item = data.Planted(row.Index, row.label, row.value, row.obeys)
        low, high = bias.ranges[row.label]
        drawn = [redraw.encodes(item).value for _ in range(40)]
        assert all(low <= value <= high for value in drawn) == row.obeys
    block = data.datablock(found, bias, CLASSES)
    assert [item.obeys for item, _ in block.datasets(table).train] == list(table.obeys[table.split != "valid"])
