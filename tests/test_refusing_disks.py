"""Laws of disks that refuse and of files that are none: one sentence, exit status 2, nothing half-written."""

import errno
import json
import os
import resource
import sys
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
from helpers.command_line import TINY, call, refused, succeed
from helpers.sharing import copy_of

from xaae.experiment import run_folder
from xaae.experiment.errors import InputError
from xaae.experiment.whole_file import disk_refusal, whole_file
from xaae.latent_nav import encoded_run

COMMANDS = {  # every command that writes, as briefly as it can
    "train": ("train", *TINY, "--baseline-epochs", 0, "--dataset", "PICTURES", "--out", "NEW"),
    "navigate": ("navigate", "RUN", "--directions", "lda", "--maps", "pca", "--counterfactuals", 1),
    "response": ("explain", "RUN"),
    "evaluate": ("evaluate", "RUN"),
    "predict": ("predict", "RUN", "PICTURES"),
    "report": ("report", "RUN"),
    "audit": ("audit", "--preset", "smoke", "--dataset", "PICTURES", "--out", "NEW"),
    "tutorial": ("tutorial", "--dataset", "PICTURES", "--epochs", 1, "--out", "NEW"),
}


@contextmanager
def no_room(after):
    """No file of this process and of those that it starts can be longer than so many bytes.

    Modules that are imported meanwhile are not compiled to files, which would be cut off and stay so.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", True)
        patch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        resource.setrlimit(resource.RLIMIT_FSIZE, (after, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


def is_whole(path):
    """Can a file be read to its end?"""
    if path.suffix == ".json":
        return isinstance(json.loads(path.read_text()), dict)
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return all(arrays[name] is not None for name in arrays.files)
    return path.suffix != ".part"


@pytest.mark.parametrize("after", [0, 6000])
@pytest.mark.parametrize("name", ["train", "navigate", "response", "evaluate", "predict", "report"])
def test_a_full_disk_is_told_in_one_sentence_by_every_command(toy_run, pictures_folder, tmp_path, name, after):
    run = copy_of(toy_run, tmp_path / "run")
    words = {"RUN": run, "PICTURES": pictures_folder, "NEW": tmp_path / "new"}
    with no_room(after):
        result = call(*[words.get(word, word) for word in COMMANDS[name]])
    if not (name == "predict" and after and result.exit_code == 0):  # its table may be as short
        assert refused(result, "--out")
    assert all(is_whole(path) for path in run.rglob("*") if path.is_file())
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS, errno.EIO])
def test_each_refusal_of_a_disk_is_a_sentence(number):
    text = disk_refusal(OSError(number, os.strerror(number), "/a/file"))
    assert "/a/file" in text and "--out" in text and text.endswith(".")


@pytest.mark.parametrize("text", ["encoder error -2 when writing image file", "10 requested and 0 written",
                                  "[enforce fail at inline_container.cc:778] . Writer failed"])  # fmt: skip
def test_refusals_that_libraries_put_in_words_are_known(text):
    assert "no room" in disk_refusal(RuntimeError(text))


@pytest.mark.parametrize("error", [OSError(errno.ENOENT, "gone"), RuntimeError("a bug"), OSError("odd"), ValueError()])
def test_other_errors_are_none(error):
    assert disk_refusal(error) is None


def test_a_file_is_written_whole_or_stays_as_it_was(tmp_path):
    path = tmp_path / "file.json"
    path.write_text("before")
    with pytest.raises(OSError, match="full"), whole_file(path) as part:
        part.write_text("half")
        raise OSError(errno.ENOSPC, "full")
    assert path.read_text() == "before" and os.listdir(tmp_path) == ["file.json"]
    with whole_file(path) as part:
        part.write_text("after")
    assert path.read_text() == "after" and os.listdir(tmp_path) == ["file.json"]


def test_a_file_can_be_read_by_whom_other_new_files_can_be_read_by(tmp_path):
    """Safetensors makes private ones, and a run on shared storage is for colleagues too."""
    before = os.umask(0o027)
    try:
        (tmp_path / "other").touch()
        with whole_file(tmp_path / "weights") as part:
            part.touch(0o600)
    finally:
        os.umask(before)
    assert (tmp_path / "weights").stat().st_mode == (tmp_path / "other").stat().st_mode
    assert sorted(os.listdir(tmp_path)) == ["other", "weights"]


@pytest.mark.parametrize("durable", [True, False])
def test_the_disk_has_what_must_outlive_a_power_cut_before_it_gets_its_name(tmp_path, monkeypatch, durable):
    path, flushed, flush = tmp_path / "weights", [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: flushed.append((os.fstat(file).st_size, path.exists(), flush(file))))
    with whole_file(path, durable) as part:
        part.write_bytes(b"1234")
    assert path.read_bytes() == b"1234" and flushed == [(4, False, None)] * durable


@pytest.mark.parametrize("name", ["navigate", "evaluate", "report", "train"])
def test_a_folder_that_may_not_be_written_is_told(toy_run, pictures_folder, tmp_path, monkeypatch, name):
    """Tests may run as root, to whom no folder is closed: opening for writing is refused in its place."""
    run = copy_of(toy_run, tmp_path / "run")
    before = {p: p.stat().st_mtime_ns for p in run.rglob("*")}

    def closed(file, mode="r", *args, **kwargs):
        if str(file).startswith(str(tmp_path)) and set(mode) & set("wax+"):
            raise PermissionError(errno.EACCES, "Permission denied", str(file))
        return open_(file, mode, *args, **kwargs)

    open_ = open
    words = {"RUN": run, "PICTURES": pictures_folder, "NEW": tmp_path / "new"}
    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", closed)
        patch.setattr("io.open", closed)
        result = call(*[words.get(word, word) for word in COMMANDS[name]])
    assert refused(result, "Permission denied") and {p: p.stat().st_mtime_ns for p in run.rglob("*")} == before
    assert not (tmp_path / "new").exists()


# ---- junk in a run folder ---------------------------------------------------------------------------------------


def shorter(table):
    return table.iloc[:-3]


JUNK = {  # items.csv -> what it became, and a word of the refusal
    "empty": (lambda t: b"", "CSV"),
    "binary": (lambda t: bytes(range(256)) * 20, "CSV"),
    "zeros": (lambda t: b"\0" * 500, "column"),
    "no rows": (lambda t: t.iloc[:0], "no items"),
    "fewer rows": (shorter, "training used"),
    "more rows": (lambda t: pd.concat([t, t.iloc[:5]]), "training used"),
    "no split": (lambda t: t.drop(columns="split"), "no column split"),
    "no value": (lambda t: t.drop(columns=["value", "factor"]), "no column factor and value"),
    "odd split": (lambda t: t.assign(split="fold"), "'fold'"),
    "odd class": (lambda t: t.assign(label="zebra"), "'zebra'"),
    "blank class": (lambda t: t.assign(label=""), "lacks"),
    "odd value": (lambda t: t.assign(value="much"), "numbers"),
    "blank value": (lambda t: t.assign(value=[""] * len(t)), "numbers"),
    "semicolons": (lambda t: t.to_csv(index=False, sep=";").encode(), "semicolons"),
}


def spoil(path, content):
    """Put bytes or a table into items.csv."""
    path.write_bytes(content if isinstance(content, bytes) else content.to_csv(index=False).encode())


@pytest.mark.parametrize("junk", JUNK)
def test_a_table_of_items_that_is_not_the_runs_is_refused(toy_models, tmp_path, junk):
    run = copy_of(toy_models, tmp_path / "run")
    make, words = JUNK[junk]
    spoil(run / "items.csv", make(pd.read_csv(run / "items.csv", keep_default_na=False)))
    with pytest.raises(InputError, match=words):
        run_folder.read_items(run)
    for command in ("evaluate", "navigate"):
        assert refused(call(command, run), "items.csv")


def test_a_table_of_an_earlier_version_is_read_without_counts(toy_models, tmp_path):
    run = copy_of(toy_models, tmp_path / "run")
    (run / "train.json").write_text("{}")
    assert len(run_folder.read_items(run)) == len(run_folder.read_items(toy_models))


@pytest.mark.parametrize("name", ["items.csv", "train.json", "config.json", "latents.npz"])
def test_a_pipe_in_the_place_of_a_file_stops_no_command(toy_run, tmp_path, name):
    run = copy_of(toy_run, tmp_path / "run")
    (run / name).unlink()
    os.mkfifo(run / name)
    result = call("app" if name == "latents.npz" else "report", run)
    assert result.exit_code == 0 if name in ("items.csv", "train.json") else refused(result, name)


@pytest.mark.parametrize("where", ["--out", "PATH", "IMAGE", "--config"])
def test_a_pipe_that_is_named_is_refused(toy_models, pictures_folder, tmp_path, where):
    pipe = tmp_path / "pipe.toml"
    os.mkfifo(pipe)
    asked = {
        "--out": ("train", *TINY, "--dataset", pictures_folder, "--out", pipe),
        "PATH": ("predict", toy_models, pipe),
        "IMAGE": ("explain", pipe),
        "--config": ("explain", toy_models, "--config", pipe),
    }
    assert refused(call(*asked[where]), "pipe")


NETWORKS = {
    "two inputs": "def forward(self, x, y): return x.flatten(1)[:, :2]",
    "no input": "def forward(self): return None",
    "a bug": "def forward(self, x): return {}['missing']",
    "another size": "def forward(self, x): return torch.nn.functional.linear(x.flatten(1), torch.ones(2, 5))",
    "no logits": "def forward(self, x): return None",
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_network_that_does_not_take_the_items_is_refused(pictures_folder, tmp_path, kind):
    file, out = tmp_path / "net.py", tmp_path / "out"
    body = f"class Net(torch.nn.Module):\n    {NETWORKS[kind]}\n\n\ndef make():\n    return Net()\n"
    file.write_text(f"import torch\n\n\n{body}")
    options = ("--network", f"{file}:make", "--size", 16, "--methods", "saliency", "--out", out)
    assert refused(call("explain", pictures_folder / "left" / "000.png", *options), "etwork") and not out.exists()


# ---- a home that cannot be written ------------------------------------------------------------------------------


def test_without_a_home_the_data_root_is_enough(pictures_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("FASTAI_HOME", "/proc/nowhere")
    from fastai.data.external import fastai_cfg

    fastai_cfg.cache_clear()
    try:
        succeed("train", *TINY, "--dataset", pictures_folder, "--out", tmp_path / "run", "--dry-run")
        result = call("train", *TINY, "--dataset", "synthpets", "--out", tmp_path / "run", "--dry-run")
        assert refused(result, "--data-root")
    finally:
        fastai_cfg.cache_clear()


@pytest.mark.parametrize(("given", "kept"), [("data", "data"), (None, "home"), ("/proc/nowhere", "home")])
def test_trained_meters_follow_the_data_root_that_can_be_written(tmp_path, monkeypatch, given, kept):
    (tmp_path / "data").mkdir()
    monkeypatch.setattr("xaae.data.default_root", lambda: tmp_path / "home")
    root = tmp_path / "data" if given == "data" else given
    assert encoded_run._meters_folder(root and str(root)) == tmp_path / kept / "xaae-meters"
