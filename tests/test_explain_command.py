"""The command `explain`: what it can be asked, what it writes, what it refuses, its exit status."""

import shutil
import tomllib
from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.command_line import TOY_METHODS, refused
from helpers.maps import close
from helpers.sharing import copy_of, in_bf16
from PIL import Image

from xaae import model as models
from xaae.cli.explain import SAMPLE
from xaae.experiment.errors import InputError
from xaae.experiment.vocabulary import MODELS
from xaae.explain import listing
from xaae.explain.call import explain
from xaae.explain.explanation_run import _direction, failed, newest_run
from xaae.explain.method import METHODS
from xaae.explain.method_plan import QUICK, TABLE_KEYS, make_plan
from xaae.explain.process import status
from xaae.sources import picture_files

FAST = ["--methods", "saliency", "--model", "aae"]
NETWORK = """
import torch
from torch import nn

NUMBER = 3

def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 5))

def needy(size):
    return small()

def text():
    return "a network"

def broken():
    raise KeyError("weights")

def grey():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())

def flat():
    return nn.Conv2d(3, 4, 3)
"""
PLUGIN = """
import torch
from xaae.explain import method

@method("gradient", "Brightness", "none", "the input itself", shows="size")
def brightness(ask, *, power=1.0):
    return ask.x ** power

@method("gradient", "Breaks", "none", "nothing")
def breaks(ask):
    raise ValueError("as it was meant to")
"""


@pytest.fixture
def files(tmp_path):
    """A network, methods and a picture of the user's own."""
    (tmp_path / "net.py").write_text(NETWORK)
    (tmp_path / "own.py").write_text(PLUGIN)
    pixels = np.random.default_rng(0).integers(0, 255, (50, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "Photo no 1.png")
    return tmp_path


def rows_of(folder):
    """{(model, label): row} of the status table in `folder`."""
    return {(r.model, r.label): r for r in status.read_status(folder / "status.csv")}


def arrays(path):
    """All arrays of an .npz file."""
    with np.load(path, allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


# ---- words ------------------------------------------------------------------------------------------------------


def test_the_list_has_every_method_in_a_line(door):
    result = door("explain", "--list")
    lines = result.output.splitlines()
    assert result.exit_code == 0 and len(lines) == len(METHODS)
    for line, how in zip(lines, METHODS.values(), strict=True):
        assert line.split()[:2] == [how.name, how.kind] and line.endswith(how.paper) and listing.needed(how) in line


def test_one_method_is_described_with_its_parameters(door):
    text = door("explain", "--describe", "smoothgrad").output
    assert 'samples = 25, sigma = 0.15, base = "saliency"' in text and "1706.03825" in text
    assert refused(door("explain", "--describe", "smothgrad"), "smoothgrad")


def test_the_sample_names_every_method_with_its_parameters():
    assert SAMPLE.read_text() == listing.sample(), "write explain/methods.toml anew: listing.sample()"
    tables = tomllib.loads(SAMPLE.read_text())["method"]
    assert [t["name"] for t in tables] == list(METHODS)
    for entry in make_plan([], tables):
        usual = METHODS[entry.method].parameters
        assert {k: v for k, v in usual.items() if v is not None} == entry.parameters


def test_no_parameter_has_the_name_of_a_key_of_a_methods_table():
    assert not [m.name for m in METHODS.values() if set(TABLE_KEYS) & set(m.parameters)]
    assert set(QUICK) <= set(METHODS)


# ---- plans ------------------------------------------------------------------------------------------------------


def test_names_stand_for_methods_kinds_and_sets():
    assert [e.method for e in make_plan(["all"])] == list(METHODS)
    assert [e.method for e in make_plan([])] == list(QUICK) == [e.method for e in make_plan(["quick"])]
    gradients = [m.name for m in METHODS.values() if m.kind == "gradient"]
    assert [e.method for e in make_plan(["gradient", "saliency"])] == gradients  # each once


def test_a_method_may_stand_twice_under_labels():
    tables = [{"name": "smoothgrad", "label": f"s{n}", "samples": n, "sigma": 1} for n in (2, 3)]
    found = make_plan([], tables)
    assert [(e.label, e.parameters) for e in found] == [(f"s{n}", {"samples": n, "sigma": 1.0}) for n in (2, 3)]
    assert make_plan(["s3"], tables) == found[1:] and make_plan(["smoothgrad"], tables) == found
    assert [e.label for e in make_plan(["saliency", "s2"], tables)] == ["saliency", "s2"]


BAD_TABLES = {
    "no name": ([{"steps": 3}], "no name"),
    "method": ([{"name": "salience"}], "did you mean saliency"),
    "parameter": ([{"name": "smoothgrad", "sample": 3}], "no parameter 'sample'"),
    "type": ([{"name": "smoothgrad", "samples": "many"}], "a whole number"),
    "part": ([{"name": "smoothgrad", "samples": 2.5}], "a whole number"),
    "truth": ([{"name": "smoothgrad", "samples": True}], "a whole number"),
    "limit": ([{"name": "saliency", "time_limit": 0}], "above 0"),
    "label": ([{"name": "saliency", "label": "a/b"}], "cannot name a file"),
    "twice": ([{"name": "saliency"}, {"name": "saliency"}], "twice"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_bad_tables(case):
    tables, words = BAD_TABLES[case]
    with pytest.raises(InputError, match=words):
        make_plan([], tables)


# ---- runs -------------------------------------------------------------------------------------------------------


def test_the_whole_job_explains_both_models(toy_run):
    folder = toy_run / "explanations"
    found, items = rows_of(folder), arrays(folder / "items.npz")
    assert set(found) == set(product(MODELS, TOY_METHODS))
    assert not failed([row for row in found.values() if row.status != "refused"])
    assert len(items["x"]) == len(items["row"]) == 2 and list(items["classes"]) == ["cat", "dog"]
    for (model, label), row in found.items():
        path = folder / "maps" / f"{model}-{label}.npz"
        assert path.exists() == (row.status == "ok")
        if row.status == "ok":
            told = arrays(path)
            assert np.array_equal(told["row"], items["row"]) and told["attribution"].shape[2:] == items["x"].shape[2:]
            assert np.array_equal(told["target"], items[f"{model}.probability"].argmax(1))


@pytest.mark.parametrize("target", ["true", "dog", "0"])
def test_chosen_rows_and_targets(door, toy_run, tmp_path, target):
    table, rows = pd.read_csv(toy_run / "items.csv"), [3, 1, 4]
    expected = {"true": [["cat", "dog"].index(table.label[r]) for r in rows], "dog": [1, 1, 1], "0": [0, 0, 0]}
    given = ["--rows", "3,1,4", "--out", tmp_path, *FAST]
    assert door("explain", toy_run, *given, "--target", target).exit_code == 0
    found = arrays(tmp_path / "maps" / "aae-saliency.npz")
    assert found["row"].tolist() == rows and found["target"].tolist() == expected[target]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("by", ["run", "option"])
def test_maps_are_those_of_the_one_call_in_the_runs_or_the_typed_precision(door, toy_run, tmp_path, precision, by):
    """On any machine: whether it computes bf16 in hardware or not."""
    run = copy_of(toy_run, tmp_path / "run")
    if by == "run" and precision == "bf16":
        in_bf16(run)
    typed = ["--precision", precision] if by == "option" else []
    assert door("explain", run, "--items", 3, "--target", 0, "--out", tmp_path / "out", *FAST, *typed).exit_code == 0
    maps = arrays(tmp_path / "out" / "maps" / "aae-saliency.npz")["attribution"]
    x = torch.from_numpy(arrays(tmp_path / "out" / "items.npz")["x"])
    exact = explain(models.load(run / "model.safetensors"), x, "saliency", 0)
    if precision == "fp32":
        close(maps, exact, 1e-4)
    else:  # three digits at each step
        assert np.corrcoef(maps.ravel(), exact.ravel())[0, 1] > 0.95
        assert np.abs(maps - exact).max() > 1e-3 * np.abs(exact).max()


def test_along_a_direction(door, toy_run, tmp_path):
    given = ["--along", "lda", "--methods", "integrated_gradients", "--precision", "fp32", "--out", tmp_path]
    assert door("explain", toy_run, *given).exit_code == 0
    items, vector = arrays(tmp_path / "items.npz"), arrays(toy_run / "directions.npz")["lda.direction"]
    aae, x = models.load(toy_run / "model.safetensors"), torch.from_numpy(items["x"])
    with torch.inference_mode():
        places, rest = (aae.encode(each).numpy() @ vector for each in (x, torch.zeros_like(x)))
    np.testing.assert_allclose(items["aae-along-lda.position"], places, atol=1e-4)
    maps = arrays(tmp_path / "maps" / "aae-along-lda-integrated_gradients.npz")["attribution"]
    np.testing.assert_allclose(maps.sum((1, 2, 3)), places - rest, rtol=0.1, atol=0.05 * np.abs(places - rest).max())


def test_a_picture_file_is_cropped_and_scaled_as_for_training(door, toy_run, files):
    photo, out = files / "Photo no 1.png", files / "out"
    assert door("explain", photo, "--run", toy_run, "--out", out, "--methods", "saliency").exit_code == 0
    found = arrays(out / "items.npz")
    np.testing.assert_array_equal(
        found["x"][0], picture_files.decode_picture(photo, 32, 3).numpy().astype(np.float32) / 255
    )
    assert found["row"].tolist() == [-1] and {model for model, _ in rows_of(out)} == {"aae", "baseline"}


def test_the_newest_finished_run_explains_a_picture(door, toy_run, files, monkeypatch):
    monkeypatch.chdir(files)
    assert refused(door("explain", "Photo no 1.png"), "--run")
    for name in ("0001-old", "0002-new", "0003-unfinished"):
        (files / "runs" / name).mkdir(parents=True)
        for part in ("config.json", "items.csv", "model.safetensors", "train.json"):
            if name != "0003-unfinished" or part != "train.json":
                shutil.copy(toy_run / part, files / "runs" / name)
    assert newest_run() == (files / "runs" / "0002-new").relative_to(files)
    assert door("explain", "Photo no 1.png", *FAST).exit_code == 0
    assert (files / "runs" / "0002-new" / "explanations" / "picture-Photo-no-1" / "status.csv").exists()


def test_a_network_of_the_users_own(door, toy_run, files):
    net, photo = f"{files / 'net.py'}:small", files / "Photo no 1.png"
    assert door("explain", toy_run, "--network", net, "--methods", "saliency", "--out", files / "a").exit_code == 0
    assert arrays(files / "a" / "items.npz")["network.probability"].shape == (6, 5)
    given = ["--network", net, "--size", 40, "--methods", "saliency,deeplift_shap", "--out", files / "b"]
    assert door("explain", photo, *given, "--target", 4).exit_code == 0  # one is refused, no method failed
    found = rows_of(files / "b")
    assert (
        found["network", "deeplift_shap"].status == "refused"
        and "background" in found["network", "deeplift_shap"].reason
    )
    told = arrays(files / "b" / "maps" / "network-saliency.npz")
    assert told["attribution"].shape == (1, 3, 40, 40) and told["target"].tolist() == [4]


def test_a_file_of_settings_and_what_is_typed_overrules_it(door, toy_run, files):
    (files / "mine.toml").write_text(
        f'items = 3\nmodel = "aae"\ntarget = 1\nplugin = ["{files / "own.py"}"]\ntime-limit = 50\n'
        '[[method]]\nname = "brightness"\nlabel = "squared"\npower = 2\ntime_limit = 30.5\n'
        '[methods.smoothgrad]\nsamples = 3\n[methods.twice]\nname = "smoothgrad"\n'
    )
    result = door("explain", toy_run, "--config", files / "mine.toml", "--items", 2, "--out", files / "out")
    assert result.exit_code == 0, result.output
    found = rows_of(files / "out")
    assert set(found) == {("aae", "squared"), ("aae", "smoothgrad"), ("aae", "twice")}
    x = arrays(files / "out" / "items.npz")["x"]
    squared = arrays(files / "out" / "maps" / "aae-squared.npz")
    np.testing.assert_allclose(squared["attribution"], x**2, rtol=1e-5)
    assert len(x) == 2 and squared["target"].tolist() == [1, 1]


def test_exit_status_and_neighbours_of_a_failure(door, toy_run, files):
    given = ["--plugin", files / "own.py", "--model", "aae", "--out", files / "out"]
    result = door("explain", toy_run, *given, "--methods", "brightness,breaks")
    assert result.exit_code == 1 and "as it was meant to" in result.output
    assert "Of 2 maps: 1 ok, 1 error." in result.output
    assert {k[1]: r.status for k, r in rows_of(files / "out").items()} == {"brightness": "ok", "breaks": "error"}
    assert door("explain", toy_run, *given, "--methods", "brightness").exit_code == 0
    alone = ["--background", 0, "--methods", "deeplift_shap", "--model", "aae", "--out", files / "none"]
    assert door("explain", toy_run, *alone).exit_code == 1  # nothing was made
    assert "breaks" not in METHODS


BAD = {
    "method": (["--methods", "salency"], "did you mean saliency"),
    "row": (["--rows", "5000"], "no row 5000"),
    "rows": (["--rows", "a,b"], "row numbers"),
    "target": (["--target", "fish"], "cat, dog"),
    "number": (["--target", "7"], "cat, dog"),
    "direction": (["--along", "nowhere"], "choose from"),
    "along baseline": (["--along", "lda", "--model", "baseline"], "leave out --model"),
    "along target": (["--along", "lda", "--target", "cat"], "leave out --target"),
    "run": (["--run", "somewhere"], "leave it out"),
    "workers": (["--workers", "0"], "--workers"),
    "limit": (["--time-limit", "0"], "--time-limit"),
    "plugin": (["--plugin", "nowhere.py"], "no file"),
    "network": (["--network", "nowhere.py"], "FILE.py:FUNCTION"),
    "network and model": (["--network", "a.py:b", "--model", "aae"], "leave out --model"),
    "config": (["--config", "nowhere.toml"], "cannot be read"),
    "out": (["--out", "/proc/no/out"], "--out"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_before_anything_runs(door, toy_run, tmp_path, monkeypatch, case):
    monkeypatch.setattr("xaae.explain.process.runner.run_jobs", lambda *a, **k: pytest.fail("it ran"))
    given, words = BAD[case]
    out = [] if "--out" in given else ["--out", tmp_path / "out"]
    methods = [] if "--methods" in given else ["--methods", "saliency"]
    assert refused(door("explain", toy_run, *given, *methods, *out), words)
    assert not list((tmp_path / "out").rglob("*.csv"))


def test_broken_directions_are_told_in_a_sentence(tmp_path):
    (tmp_path / "directions.npz").write_bytes(b"half")
    with pytest.raises(InputError, match="directions.npz cannot be read"):
        _direction(SimpleNamespace(folder=tmp_path), "lda")


@pytest.mark.parametrize(
    "name, words",
    {
        "none": "no function 'none'",
        "NUMBER": "no function",
        "needy": "needs arguments (size)",
        "text": "returns str",
        "broken": "KeyError",
        "grey": "(3, 32, 32)",
        "flat": "logits",
    }.items(),
)
def test_bad_networks(door, toy_run, files, name, words):
    result = door("explain", toy_run, "--network", f"{files / 'net.py'}:{name}", "--methods", "saliency")
    assert refused(result, words)


@pytest.mark.parametrize(
    "text, words",
    {
        "itmes = 3": "no setting 'itmes'",
        "items = 2.5": "--items",
        "workers = true": "--workers",
        "= 3": "cannot be read as TOML",
        '[method]\nname = "saliency"': "[[method]]",
        "[methods.salience]": "did you mean",
        'method = ["saliency"]': "no name",
    }.items(),
)
def test_bad_files_of_settings(door, toy_run, tmp_path, text, words):
    (tmp_path / "bad.toml").write_text(text)
    assert refused(door("explain", toy_run, "--config", tmp_path / "bad.toml"), words)


def test_what_is_no_picture_and_no_methods_in_a_plugin(door, toy_run, files):
    assert refused(door("explain", files / "own.py", "--run", toy_run), "picture")
    assert refused(door("explain"), "folder of a run")
    assert refused(door("explain", files / "Photo no 1.png", "--run", toy_run, "--rows", "1"), "--rows")
    assert refused(door("explain", files / "Photo no 1.png", "--run", toy_run, "--target", "true"), "true class")
    (files / "empty.py").write_text("x = 1")
    (files / "same.py").write_text(PLUGIN.replace("def breaks", "def saliency"))
    for name, words in (("empty", "enters no method"), ("same", "which exists")):
        assert refused(door("explain", toy_run, "--plugin", files / f"{name}.py", *FAST), words)


def test_other_items_replace_the_maps_of_earlier_ones(toy_run, door, tmp_path):
    explain_ = ["explain", toy_run, "--out", tmp_path / "out", "--methods"]
    assert door(*explain_, "saliency", "--items", 2).exit_code == 0
    assert door(*explain_, "gradcam", "--items", 2, "--model", "aae").exit_code == 0
    found = {p.name for p in (tmp_path / "out" / "maps").glob("*.npz")}
    assert {"aae-saliency.npz", "baseline-saliency.npz", "aae-gradcam.npz"} == found
    result = door(*explain_, "saliency", "--rows", "1,2", "--model", "aae")
    assert result.exit_code == 0 and "are replaced" in result.output
    assert [p.name for p in (tmp_path / "out" / "maps").glob("*.npz")] == ["aae-saliency.npz"]
    assert not (tmp_path / "out" / "tiles_baseline.npz").exists()
    assert len((tmp_path / "out" / "status.csv").read_text().splitlines()) == 2
