"""The SHAP tutorial: CIFAR-10 in every layout, a ConvNet that can be followed, and an experiment that adds up."""

import hashlib
import json
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from helpers.command_line import call, refused
from PIL import Image
from torch import nn
from torchvision.datasets import CIFAR10

from xaae import data
from xaae import model as models
from xaae.experiment.errors import InputError
from xaae.explain.network import graph
from xaae.explain.tutorial_shap import ShapQuestion, shap_values
from xaae.sources import cifar10_files, picture_files
from xaae.training import convnet

NAMES = ["airplane", "frog", "truck"]
FILES = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
SMALL = ["--epochs", 2, "--background", 6, "--explained", 3]


def toy_pixels(n=12, seed=0):
    """(pixels (6, n, 32, 32, 3) uint8, labels (n,)) of six batches: each class is bright in a channel of its own."""
    y = np.arange(n) % len(NAMES)
    x = np.random.default_rng(seed).integers(0, 100, (len(FILES), n, 32, 32, 3))
    x[:, np.arange(n), :, :, y] += 120
    return x.astype(np.uint8), y


def save_batches(root, monkeypatch):
    """torchvision's layout under `root`, and its lists of md5 made to fit."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    x, y = toy_pixels()
    rows = x.transpose(0, 1, 4, 2, 3).reshape(*x.shape[:2], -1)
    contents = {name: {"data": part, "labels": y.tolist()} for name, part in zip(FILES, rows, strict=True)}
    contents["batches.meta"] = {"label_names": NAMES}
    md5 = {}
    for name, content in contents.items():
        (folder / name).write_bytes(pickle.dumps(content))
        md5[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    monkeypatch.setattr(CIFAR10, "train_list", [[name, md5[name]] for name in FILES[:5]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": md5["batches.meta"]})
    return folder


def save_sorted(folder, held="test"):
    """fastai's layout: the same pictures, one folder for each class."""
    x, y = toy_pixels()
    for batch, pixels in enumerate(x):
        part = "train" if batch < 5 else held
        for i, k in enumerate(y if part else []):
            (folder / part / NAMES[k]).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels[i]).save(folder / part / NAMES[k] / f"{batch}_{i:03d}.png")
    return folder


# ---- CIFAR-10 on disk -------------------------------------------------------------------------------------------


def as_set(table):
    """Pixels, label and split of every item, whatever the order."""
    rows = zip(table.path, table.label, table.split, strict=True)
    return sorted((picture_files.decode_picture(p, 32, 3).numpy().tobytes(), label, split) for p, label, split in rows)


def test_both_layouts_are_the_same_items(tmp_path, monkeypatch):
    save_batches(tmp_path / "a", monkeypatch)
    save_sorted(tmp_path / "b" / "cifar10")
    tables = [data.load_table("cifar10", tmp_path / name) for name in "ab"]
    assert [t.split.value_counts().to_dict() for t in tables] == [{"train": 60, "valid": 12}] * 2
    assert as_set(tables[0]) == as_set(tables[1])
    x, y = toy_pixels()
    row = tables[0].index[tables[0].split == "valid"][7]
    expected = torch.from_numpy(x[5, 7]).permute(2, 0, 1)
    assert (
        torch.equal(picture_files.decode_picture(tables[0].path[row], 32, 3), expected)
        and tables[0].label[row] == NAMES[y[7]]
    )


@pytest.mark.parametrize("inside", ["", "cifar10", "CIFAR-10"])
def test_a_copy_is_found_where_it_may_lie(tmp_path, monkeypatch, inside):
    save_sorted(tmp_path / "sorted" / inside)
    folder = save_batches(tmp_path / "batches" / inside, monkeypatch)
    assert cifar10_files.find_cifar10(tmp_path / "sorted") == tmp_path / "sorted" / inside
    assert cifar10_files.find_cifar10(tmp_path / "batches") == cifar10_files.find_cifar10(folder) == folder


def test_other_folders_are_no_copy(tmp_path):
    for name in ("cats", "dogs"):
        (tmp_path / "train" / name).mkdir(parents=True)
    assert cifar10_files.find_cifar10(tmp_path) is None and cifar10_files.find_cifar10(tmp_path / "nowhere") is None


def test_the_folder_is_called_as_torchvision_calls_it():
    """The name is written out, so that nobody waits for torchvision who has no CIFAR-10."""
    assert cifar10_files.FOLDER == CIFAR10.base_folder


def test_without_a_test_part_a_fifth_is_held_out(tmp_path):
    table = data.load_table("cifar10", save_sorted(tmp_path, held=""))
    assert table.split.value_counts().to_dict() == {"train": 48, "valid": 12}


def test_a_changed_file_is_not_opened(tmp_path, monkeypatch):
    folder = save_batches(tmp_path, monkeypatch)
    (folder / "data_batch_3").write_bytes(b"something else")
    with pytest.raises(InputError, match="missing or changed"):
        data.load_table("cifar10", tmp_path)


def test_a_copy_that_cannot_be_fetched(tmp_path, monkeypatch):
    def offline(self):
        raise OSError("Name or service not known")

    monkeypatch.setattr(CIFAR10, "download", offline)
    with pytest.raises(InputError, match="could not be fetched"):
        data.load_table("cifar10", tmp_path)


# ---- the network and its training -------------------------------------------------------------------------------


@pytest.mark.parametrize(("classes", "channels", "size"), [(10, 3, 32), (2, 1, 28), (3, 4, 50)])
def test_the_convnet_can_be_saved_and_followed(tmp_path, classes, channels, size):
    torch.manual_seed(0)
    network, x = convnet.ConvNet(classes, channels, size, width=4).eval(), torch.rand(3, channels, size, size)
    models.save(network, tmp_path / "n.safetensors")
    again = models.load(tmp_path / "n.safetensors")
    assert type(again) is convnet.ConvNet and network(x).shape == (3, classes)
    assert torch.equal(again(x), network(x)) and torch.equal(graph.unroll(network, x)(x), network(x))
    assert not graph.unsupported(graph.unroll(network, x))


@pytest.mark.parametrize("odd", [{"classes": 1}, {"input_size": 8}, {"dropout": 0.5}, {"width": 0}])
def test_settings_that_make_no_sense(odd):
    with pytest.raises(InputError):
        convnet.ConvNet(**odd)


def test_batches_are_the_rows_asked_for():
    found = picture_files.Pictures([""] * 9, 16, 3, torch.randint(0, 256, (9, 3, 16, 16), dtype=torch.uint8))
    dls = convnet.convnet_dataloaders(found, np.arange(6), [6, 7, 8], np.arange(9), bs=3)
    x, y = (torch.cat(parts) for parts in zip(*dls.valid, strict=True))
    assert y.tolist() == [6, 7, 8] and torch.equal(x.cpu(), found[[6, 7, 8]])
    for _ in range(2):
        x, y = (torch.cat(parts).cpu() for parts in zip(*dls.train, strict=True))
        assert sorted(y.tolist()) == list(range(6)) and torch.equal(x, found[y])


# ---- the experiment ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def grey(tmp_path_factory):
    """A picture file of another size, grey."""
    path = tmp_path_factory.mktemp("own") / "mine.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (50, 70), np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A toy copy of CIFAR-10 in fastai's layout."""
    root = tmp_path_factory.mktemp("root")
    save_sorted(root / "cifar10")
    return root


@pytest.fixture(scope="module")
def done(copy, grey, tmp_path_factory):
    """(folder, what was printed) of the experiment at its smallest."""
    folder = tmp_path_factory.mktemp("tutorial") / "out"
    result = call("tutorial", *SMALL, "--data-root", copy, "--picture", grey, "--out", folder)
    assert result.exit_code == 0, result.output
    return folder, result.output


def test_everything_is_written_and_said(done):
    folder, said = done
    made = {p.name for p in folder.iterdir()}
    assert made == set(
        "config.json items.csv history.csv curves.png convnet.safetensors shap.npz shap_items.png shap_picture.png"
        " tutorial.json manifest.jsonl".split()
    )
    assert all(words in said for words in ("CIFAR-10, found in", "epoch 2/2", "DeepExplainer", "mine.png: said"))
    assert min(Image.open(folder / name).size[0] for name in made if name.endswith("png")) > 300


def test_history_has_every_number_of_both_parts(done):
    history = pd.read_csv(done[0] / "history.csv")
    numbers = ("loss", "accuracy", "precision", "recall")
    assert list(history) == ["epoch", *(f"{part}_{n}" for part in ("train", "valid") for n in numbers)]
    assert list(history.epoch) == [1, 2] and history.notna().all(axis=None)
    assert history.drop(columns=["epoch", "train_loss", "valid_loss"]).stack().between(0, 1).all()
    told = json.loads((done[0] / "tutorial.json").read_text())
    assert {k: told[k] for k in history if k != "epoch"} == history.iloc[-1].drop("epoch").to_dict()


def test_the_saved_network_is_the_one_that_was_judged(done):
    folder = done[0]
    network, table = models.load(folder / "convnet.safetensors"), pd.read_csv(folder / "items.csv")
    held = table[table.split == "valid"]
    x = torch.stack([picture_files.decode_picture(p, 32, 3) for p in held.path]).float() / 255
    y = torch.tensor([NAMES.index(label) for label in held.label])
    with torch.no_grad():
        logits = network(x)
    last = pd.read_csv(folder / "history.csv").iloc[-1]
    assert float(F.cross_entropy(logits, y)) == pytest.approx(last.valid_loss, rel=1e-4)
    assert float((logits.argmax(1) == y).float().mean()) == pytest.approx(last.valid_accuracy)


def test_training_loss_is_the_mean_of_the_epoch(copy, tmp_path):
    table = data.load_table("cifar10", copy)
    found = picture_files.open_pictures(table, 32, 3, quiet=True)[1]
    torch.manual_seed(0)
    network, y = convnet.ConvNet(3, width=4, dropout=0.0), np.array([NAMES.index(label) for label in table.label])
    train, valid = np.flatnonzero(table.split == "train"), np.flatnonzero(table.split == "valid")
    learn = convnet.learner(convnet.convnet_dataloaders(found, train, valid, y, bs=20), network, 3, tmp_path)
    with learn.no_bar(), learn.no_logging():
        history = convnet.fit_convnet(learn, 2, lr=1e-12)  # nothing moves
    with torch.no_grad():
        wanted = float(F.cross_entropy(network.cpu()(found[train]), torch.tensor(y[train])))
    assert history.train_loss.to_numpy() == pytest.approx(np.full(2, wanted), rel=1e-4)


def test_shap_sums_to_the_score_less_the_background(done):
    folder = done[0]
    network, table = models.load(folder / "convnet.safetensors"), pd.read_csv(folder / "items.csv")
    with np.load(folder / "shap.npz") as found:
        x, maps, rows, others = (found[k] for k in ("x", "maps", "row", "background_row"))
    usual = torch.stack([picture_files.decode_picture(p, 32, 3) for p in table.path[others]]).float() / 255
    with torch.no_grad():
        difference = network(torch.from_numpy(x)) - network(usual).mean(0)
    assert maps.shape == (3, 4, 3, 32, 32) and list(rows[3:]) == [-1] and len(others) == 6
    np.testing.assert_allclose(maps.sum((2, 3, 4)).T, difference, atol=1e-4)
    assert set(table.split[[*rows[:3], *others]]) == {"valid"} and not set(rows) & set(others)
    assert list(table.label[rows[:3]]) == NAMES


def test_a_grey_picture_of_another_size_is_fitted(done, grey):
    with np.load(done[0] / "shap.npz") as found:
        x, names = found["x"][-1], found["name"]
    expected = Image.open(grey).resize((32, 32), Image.Resampling.BILINEAR, box=(10, 0, 60, 50))
    assert names[-1] == "mine.png" and np.abs(x - np.array(expected) / 255).max() < 0.02


def test_same_seed_same_training_and_the_other_explainer(done, copy, tmp_path, door):
    out = tmp_path / "again"
    result = door("tutorial", *SMALL, "--data-root", copy, "--explainer", "gradient", "--out", out)
    assert result.exit_code == 0, result.output
    histories = [pd.read_csv(folder / "history.csv") for folder in (done[0], out)]
    pd.testing.assert_frame_equal(*histories, rtol=1e-3)
    told = json.loads((out / "tutorial.json").read_text())
    assert told["explainer"] == "gradient" and not (out / "shap_picture.png").exists()
    assert np.load(out / "shap.npz")["maps"].shape == (3, 3, 3, 32, 32)


def test_a_network_without_rules_falls_back_to_the_other_explainer(capsys):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.LayerNorm(64), nn.Linear(64, 2)).eval()
    question = ShapQuestion(torch.rand(2, 1, 8, 8), ["a", "b"], np.arange(2), torch.rand(4, 1, 8, 8), np.arange(4))
    maps, used = shap_values(network, question, "deep", 0)
    assert used == "gradient" and maps.shape == (2, 2, 1, 8, 8) and "does not fit" in capsys.readouterr().out


def test_drawn_pictures_where_there_is_no_copy(door, data_root, tmp_path):
    result = door("tutorial", *SMALL, "--items", 60, "--data-root", data_root, "--out", tmp_path / "run")
    assert result.exit_code == 0 and "synthpets, drawn here (no CIFAR-10 under" in result.output


# ---- what is refused, before anything is trained ----------------------------------------------------------------


def test_refusals(door, copy, tmp_path, monkeypatch, done):
    monkeypatch.setattr("xaae.explain.tutorial_run._train", lambda trained: pytest.fail("it was trained"))
    (tmp_path / "no.png").write_text("this is no picture")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("dear diary")
    out = tmp_path / "run"
    cases = {
        "There is no picture": ["--picture", tmp_path / "nowhere.png", "--out", out],
        "cannot be read as a picture": ["--picture", tmp_path / "no.png", "--out", out],
        "smaller --explained": ["--explained", 11, "--out", out],
        "no dataset": ["--dataset", "dragons", "--out", out],
        "other than a run": ["--out", tmp_path / "mine"],
        "holds a run already": ["--out", done[0]],
    }
    for words, options in cases.items():
        assert refused(door("tutorial", "--data-root", copy, *options), words)
    assert not out.exists() and (done[0] / "tutorial.json").exists()


def test_a_tutorial_is_no_run(door, done):
    assert refused(door("navigate", done[0]), "the experiment `tutorial`", "python main.py train")
