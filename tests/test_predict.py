"""Prediction: what a CSV says is what the network says, uncertainty obeys its laws, no bad file ends the run."""

import json
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.command_line import refused
from helpers.pictures import save_pictures
from helpers.sharing import copy_of, in_bf16
from PIL import Image

from xaae import model as models
from xaae.evaluation.prediction_run import (
    UNCERTAINTY,
    Predictions,
    answer_with_dropout,
    body_and_head,
    more_uncertain,
    predictions_in_words,
)
from xaae.explain.methods import uncertainty
from xaae.sources import picture_files
from xaae.sources.path_lists import list_items, try_read

COLUMNS = ["path", "predicted", "probability_cat", "probability_dog", *UNCERTAINTY, "error"]
P = COLUMNS[2:4]


@pytest.fixture
def run(toy_run, tmp_path):
    """A copy of the toy run to write to."""
    return copy_of(toy_run, tmp_path / "run")


@pytest.fixture
def folder(tmp_path):
    """Eight pictures, two folders deep."""
    return save_pictures(tmp_path / "some" / "pictures", n=4, size=40)


def predicted(door, run, path, *options):
    """`predict` from the door: the table it wrote, and what it said."""
    result = door("predict", run, path, *options)
    assert result.exit_code == 0, result.output
    out = options[options.index("--out") + 1] if "--out" in options else run / "predictions.csv"
    return pd.read_csv(out, keep_default_na=False, na_values={c: [""] for c in COLUMNS[1:-1]}), result.output


def networks():
    """Small untrained models of both kinds, in evaluation mode, with a batch of pictures."""
    torch.manual_seed(0)
    aae = models.AAE(input_size=16, encoding_dims=8, step_channels=4)
    return {"aae": aae.eval(), "baseline": models.baseline().eval()}


# ---- the two parts of a network ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["aae", "baseline"])
def test_a_network_in_two_parts_is_the_same_network(name):
    network, x = networks()[name], torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    body, head, inject = body_and_head(network)
    with torch.inference_mode():
        assert torch.allclose(head(body(x)), models.classify(network, x), atol=1e-6)
        assert (inject > 0) == (name == "aae")
        parts, whole = (
            uncertainty.predict_with_dropout(*each, samples=5, inject=inject, seed=3)
            for each in ((head, body(x)), (network, x))
        )
    assert not any(uncertainty.dropout_rate(m) for m in body.modules())
    for key in whole:
        np.testing.assert_allclose(parts[key], whole[key], atol=1e-6)


@pytest.mark.parametrize("name", ["aae", "baseline"])
def test_uncertainty_obeys_its_laws(name):
    network, x = networks()[name], torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    ask = partial(answer_with_dropout, *body_and_head(network)[:2], x, 40)
    rates = (0.01, 0.3) if name == "aae" else (0.0, 0.0)
    (p, low), (q, high) = (ask(rate, 0) for rate in rates)
    np.testing.assert_allclose(p, q)  # dropout does not touch the probabilities
    np.testing.assert_allclose(p.sum(1), 1)
    for entropy, information, deviation, error in (*low, *high):
        assert 0 <= information <= entropy <= np.log(2) + 1e-9 and 0 < deviation <= 0.5 and error >= 0
    np.testing.assert_array_equal(ask(rates[1], 0)[1], high)
    assert not np.array_equal(ask(rates[1], 1)[1], high)
    if name == "aae":
        assert (high[:, 2] > 2 * low[:, 2]).all()  # more dropout, more deviation


@pytest.mark.parametrize("name", ["aae", "baseline"])
def test_the_error_of_an_entropy_is_what_another_draw_changes(name):
    network, x = networks()[name], torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    body, head, inject = body_and_head(network)
    drawn = np.array([answer_with_dropout(body, head, x, 30, inject, seed)[1] for seed in range(40)])
    changes, told = drawn[:, :, 0].std(0), drawn[:, :, 3].mean(0)
    assert (told < 2 * changes + 1e-3).all() and (told > changes / 2 - 1e-3).all()


def test_items_that_differ_by_chance_alone_are_not_ranked():
    rng, n = np.random.default_rng(0), 60
    entropy, error = 0.4 + 0.08 * rng.standard_normal((200, n)), np.full(n, 0.08)
    named = np.array([more_uncertain(each, error).any() for each in entropy])
    assert named.mean() < 0.1
    entropy[:, 3] += 0.6
    named = np.array([more_uncertain(each, error) for each in entropy])
    assert named[:, 3].mean() > 0.95 and np.delete(named, 3, 1).mean() < 0.01
    assert not more_uncertain(np.array([0.5, 0.501, 0.502]), np.zeros(3)).any()  # too little to matter


def told_of(entropy, error, predicted=("cat", "dog")):
    """What is said of items with these entropies."""
    n = len(entropy)
    table = {"path": [f"{i}.png" for i in range(n)], "predicted": [predicted[i % len(predicted)] for i in range(n)]}
    table |= {"probability_cat": 0.5, "probability_dog": 0.5, "entropy": entropy, "mutual_information": 0.0}
    table = pd.DataFrame(table | {"deviation": 0.1, "entropy_error": error, "error": ""})
    return predictions_in_words(Predictions(table, None, ["cat", "dog"], ""))


def test_what_is_said_of_uncertainty_and_of_one_answer_to_all():
    rng = np.random.default_rng(1)
    noise = 0.4 + 0.08 * rng.standard_normal(30)
    assert "more --samples" in told_of(noise, 0.08) and "0.png" not in told_of(noise, 0.08)
    assert "by more than 0.01 nats" in told_of(noise * 0 + 0.6, 0.0)
    noise[4] = 0.69
    told = told_of(noise, 0.02)
    assert "0.690 ± 0.020  cat" in told and "4.png" in told and "same answer" not in told
    assert "All get the same answer, dog" in told_of(noise, 0.02, ("dog",))


# ---- the file ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["aae", "baseline"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_csv_says_what_the_network_says_in_full_precision(door, run, folder, name, precision):
    run = in_bf16(run) if precision == "bf16" else run
    table, told = predicted(door, run, folder, "--model", name, "--batch-size", 3)
    assert list(table) == COLUMNS and list(table.path) == [str(p) for p in sorted(folder.rglob("*.png"))]
    x = torch.stack([picture_files.decode_picture(p, 32, 3) for p in table.path]).float() / 255
    network = models.load(run / ("model.safetensors" if name == "aae" else "baseline.safetensors"))
    with torch.inference_mode():
        p = models.classify(network, x).softmax(1).numpy()
    np.testing.assert_allclose(table[P], p, atol=1e-4)
    assert list(table.predicted) == [["cat", "dog"][k] for k in p.argmax(1)] and (table.error == "").all()
    assert ("0.1 injected" in told) == (name == "aae") and "8 of 8 pictures" in told and "predictions.csv" in told


def test_batches_change_no_probability_and_a_seed_repeats_all(door, run, folder):
    first, again = (predicted(door, run, folder, "--batch-size", 5)[0] for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    alone = predicted(door, run, folder, "--batch-size", 1)[0]
    np.testing.assert_allclose(alone[P], first[P], atol=1e-5)
    np.testing.assert_allclose(alone[UNCERTAINTY], first[UNCERTAINTY], atol=0.2)


def test_predict_and_evaluate_agree_on_upright_items(door, run):
    assert door("evaluate", run, "--model", "aae", "--upright").exit_code == 0
    judged = json.loads((run / "evaluate.json").read_text())
    table = predicted(door, run, run / "items.csv")[0].query("split == 'valid'")  # further columns are kept
    assert (table.predicted == table.label).mean() == pytest.approx(judged["aae"]["accuracy"])
    own = np.where(table.label == "cat", table.probability_cat, table.probability_dog)
    assert -np.log(own).mean() == pytest.approx(judged["aae"]["loss"], rel=1e-3)


def test_a_csv_keeps_its_rows_and_columns(door, run, folder, tmp_path):
    names = ["pictures/left/000.png", "", "pictures/no such.png", "pictures/right/001.png", "pictures/left/000.png"]
    own = pd.DataFrame({"id": ["007", "008", "009", "010", "011"], "path": names, "predicted": "x", "note": "NA"})
    own.to_csv(folder.parent / "list.csv", index=False)
    table, told = predicted(door, run, folder.parent / "list.csv", "--out", tmp_path / "new" / "out.csv")
    assert list(table) == ["path", "id", "note", *COLUMNS[1:]]
    assert (tmp_path / "new" / "out.csv").read_text().splitlines()[1].split(",")[1] == "007"
    assert list(table.error) == ["", "no path in this row", "no such file", "", ""]
    assert table.path[0] == str(folder / "left" / "000.png") and set(table.note) == {"NA"}
    assert table[P].iloc[[1, 2]].isna().all(axis=None) and table.predicted.iloc[[0, 3, 4]].isin(["cat", "dog"]).all()
    assert table.probability_cat[0] == pytest.approx(table.probability_cat[4], abs=1e-5)
    assert "2 cannot be read" in told and "3 of 5 pictures" in told


def test_an_item_of_an_archive_is_the_picture_it_holds(door, run, folder, tmp_path):
    file = folder / "right" / "002.png"
    pixels = np.asarray(Image.open(file))
    np.savez(tmp_path / "arrays.npz", images=np.stack([0 * pixels, pixels]))
    from_file = predicted(door, run, file)[0]
    from_archive = predicted(door, run, f"{tmp_path / 'arrays.npz'}#images/1")[0]
    pd.testing.assert_frame_equal(from_file[COLUMNS[1:]], from_archive[COLUMNS[1:]])
    for odd in ("images/9", "nothing/0", "images/x", "images"):
        assert refused(door("predict", run, f"{tmp_path / 'arrays.npz'}#{odd}"), "None of 1 pictures")
    assert refused(door("predict", run, tmp_path / "arrays.npz"), "#KEY/INDEX")


def test_no_bad_file_ends_the_run(door, run, folder):
    good = (folder / "left" / "000.png").read_bytes()
    (folder / "left" / "001.png").write_bytes(good[:200])
    (folder / "left" / "002.png").write_text("no picture")
    (folder / "right" / "000.png").write_bytes(b"")
    (folder / "right" / "notes.txt").write_text("not asked for")
    table, told = predicted(door, run, folder, "--batch-size", 2)
    bad = table.error != ""
    assert list(table.path[bad].str[-12:]) == ["left/001.png", "left/002.png", "ight/000.png"] and len(table) == 8
    assert table[[*P, *UNCERTAINTY]][bad].isna().all(axis=None) and table[P][~bad].notna().all(axis=None)
    assert "3 cannot be read (column error)" in told and str(folder / "left" / "001.png") in told


@pytest.mark.parametrize("error", [MemoryError, KeyError, RuntimeError])
def test_whatever_a_decoder_raises_becomes_a_reason(monkeypatch, folder, error):
    def fail(*_):
        raise error("odd\nformat")

    monkeypatch.setattr("xaae.sources.picture_files._decode", fail)
    reason = try_read(str(folder / "left" / "000.png"), 32, 3)
    assert reason.startswith(error.__name__) and "\n" not in reason
    assert try_read("x" * 5000, 32, 3) == "no such file"


def test_listed_paths_are_absolute(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert all(p.startswith(str(folder)) for p in list_items("left").path) and len(list_items(".")) == 8
    assert list(list_items("left/000.png").path) == [str(folder / "left" / "000.png")]


# ---- refusals ---------------------------------------------------------------------------------------------------


def bad_paths(folder):
    """Paths that name no picture that can be read, with words the refusal must hold."""
    (folder / "empty").mkdir()
    (folder / "notes.txt").write_text("some text")
    texts = {"label.csv": "file,label\na.png,cat\n", "none.csv": "path,label\n", "nothing.csv": ""}
    for name, text in texts.items():
        (folder / name).write_text(text)
    (folder / "bytes.csv").write_bytes(b"path\n\xff\xfe\x00a.png\n")
    return {
        "blank": ("", "PATH is empty"),
        "missing": (folder / "nowhere", "no file or folder"),
        "empty": (folder / "empty", "no pictures in the folder"),
        "text": (folder / "notes.txt", "None of 1 pictures"),
        "no column": (folder / "label.csv", "no column path"),
        "no rows": (folder / "none.csv", "at least one row"),
        "no text": (folder / "nothing.csv", "is empty: give a CSV"),
        "binary": (folder / "bytes.csv", "cannot be read as a CSV"),
    }


@pytest.mark.parametrize("case", ["blank", "missing", "empty", "text", "no column", "no rows", "no text", "binary"])
def test_bad_paths(door, run, tmp_path, case):
    (tmp_path / "odd").mkdir()
    path, words = bad_paths(tmp_path / "odd")[case]
    assert refused(door("predict", run, path), words) and not (run / "predictions.csv").exists()


def test_no_file_of_the_users_is_replaced(door, run, folder, tmp_path):
    mine = tmp_path / "mine.csv"
    for text in ("path,label\na.png,cat\n", "some text", ""):
        mine.write_text(text)
        assert refused(door("predict", run, folder, "--out", mine), "not made by") and mine.read_text() == text
    assert refused(door("predict", run, folder, "--out", folder), "is a folder")
    assert refused(door("predict", run, folder, "--out", mine / "below.csv"), "cannot be written")
    predicted(door, run, folder)
    before = (run / "predictions.csv").read_bytes()
    assert refused(door("predict", run, run / "predictions.csv"), "another --out")
    assert (run / "predictions.csv").read_bytes() == before
    assert len(predicted(door, run, folder / "left")[0]) == 4  # its own file is


def test_options_that_make_no_sense(door, run, folder, tmp_path):
    assert refused(door("predict", tmp_path, folder), "not a run folder")
    assert refused(door("predict", run, folder, "--model", "baseline", "--dropout", 0.2), "--dropout")
    for option in (["--dropout", 0], ["--dropout", 1], ["--samples", 1], ["--batch-size", 0], ["--model", "x"]):
        assert refused(door("predict", run, folder, *option), option[0])
    (run / "baseline.safetensors").unlink()
    assert refused(door("predict", run, folder, "--model", "baseline"), "no ResNet34")
    broken = models.load(run / "model.safetensors")
    torch.nn.init.constant_(broken.head.weight, torch.nan)
    models.save(broken, run / "model.safetensors")
    assert refused(door("predict", run, folder), "not numbers") and not (run / "predictions.csv").exists()
    assert refused(door("evaluate", run, "--model", "aae"), "not numbers")


def test_the_training_pictures_are_not_needed(door, run, folder):
    table = pd.read_csv(run / "items.csv")
    table.assign(path="/no/such/picture.png").to_csv(run / "items.csv", index=False)
    assert len(predicted(door, run, folder)[0]) == 8
