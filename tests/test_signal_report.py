"""Laws of the page of a run of signals: what pictures have, traces have, in words that fit them."""

import re

import numpy as np
import pytest
import torch
from helpers.recorded import pulses, save_csv
from helpers.report_fakes import SIZE, fake_run, page

from xaae.app import uploads
from xaae.experiment.errors import InputError
from xaae.experiment.kinds import KINDS, SIGNAL
from xaae.experiment.run_folder import read_arrays, write_arrays
from xaae.experiment.vocabulary import BASELINES, MODELS, models_of
from xaae.latent_nav import codes, plots
from xaae.report import summarise
from xaae.report.shared.run_files import RunFiles
from xaae.report.shared.sprites import PAINTERS
from xaae.report.shared.words import direction_name
from xaae.sources.signal_scale import SignalScale
from xaae.training.signal_resnet import SignalResNet

CHANNELS, RATE = 2, 32.0
SCALE = {"rate": RATE, "names": ["I", "II"], "units": ["mV", "mV"], "low": [-1.0, -1.0], "high": [1.0, 2.0]}


def as_signals(name, array):
    """An array of a made-up run of pictures (..., H, W, C) as one of a run of signals (..., CHANNELS, W)."""
    if name.startswith("heat"):  # (..., H, W)
        return array.mean(-2)
    if name == "difference":
        return np.repeat(array.mean(-2)[:, None], CHANNELS, 1)
    if array.dtype == np.uint8 and array.ndim >= 4:
        return np.repeat(array.mean((-3, -1))[..., None, :], CHANNELS, -2).astype(np.float32) / 255
    return array


def fake_signal_run(folder, **config):
    """A whole made-up run folder of signals."""
    about = {"kind": "signal", "input_channels": CHANNELS, "signal_scale": SCALE} | config
    fake_run(folder, factor="brightness", config=about)
    for path in [path for path in folder.rglob("*.npz") if not path.stem.startswith("tiles_")]:
        arrays = {name: as_signals(name, array) for name, array in read_arrays(path).items()}
        path.unlink()
        write_arrays(path, **arrays)
    (folder / "scan.json").unlink(missing_ok=True)  # of factors of pictures
    return folder


def visible(html):
    """The words of a page that are read."""
    return re.sub(r"<[^>]*>", " ", re.sub(r"(?s)<(style|script).*?</\1>", " ", html))


@pytest.fixture(scope="module")
def signal_page(tmp_path_factory):
    folder = fake_signal_run(tmp_path_factory.mktemp("signals") / "run")
    return folder, page(folder)


def test_every_section_that_has_pictures_has_traces(signal_page, tmp_path):
    names = lambda html: set(re.findall(r"^\.([\w-]+)\{background-image:url", html, re.M))  # noqa: E731
    of_pictures = {name for name in names(page(fake_run(tmp_path / "pictures"))) if not name.startswith("scan")}
    assert names(signal_page[1]) == of_pictures and len(of_pictures) > 5


def test_the_page_speaks_of_signals_in_seconds_and_of_their_baseline(signal_page):
    text = visible(signal_page[1])
    assert "ResNet34" not in text and "1-D ResNet" in text and "Time Series Classification" in text
    assert not re.search(r"\b(picture|pixel)s?\b", text), re.findall(r".{40}\b(?:picture|pixel)s?\b.{20}", text)
    assert f"{SIZE / RATE:.4g} s from left to right; squares of 0.2 s and 0.5 mV; all channels on one scale" in text
    assert 'class="signal"' in signal_page[1]


def test_the_summary_says_rate_units_and_channels(signal_page):
    found = summarise(signal_page[0])["signal"]
    assert found["rate_hz"] == RATE and found["samples"] == SIZE and found["seconds"] == SIZE / RATE
    assert found["channels"] == ["I", "II"] and found["units"] == ["mV", "mV"] and found["high"] == [1.0, 2.0]


def test_a_run_of_pictures_has_no_such_numbers(tmp_path):
    assert summarise(fake_run(tmp_path / "run"))["signal"] is None


def test_tiles_are_wider_than_high_and_a_walk_keeps_its_first_frame(signal_page):
    painter = RunFiles(signal_page[0]).painter
    frames = np.stack([np.full((CHANNELS, SIZE), value, np.float32) for value in (0.2, 0.8)])
    alone, walked = painter.items(frames), painter.walk(frames)
    assert alone.shape == walked.shape and alone.shape[2] > alone.shape[1]
    assert (walked[1] != 255).any(-1).sum() > (alone[1] != 255).any(-1).sum()
    heat = painter.heat(np.linspace(0, 1, SIZE)[None])
    assert heat.shape == (1, *alone.shape[1:3], 4) and heat[0, 5, 10, 3] < heat[0, 5, -20, 3]


@pytest.mark.parametrize("kind", PAINTERS)
def test_a_kind_has_a_painter_a_drawing_and_a_reader_of_uploads(kind):
    assert kind in plots.DRAWINGS and kind in uploads.UPLOAD_READERS and kind in KINDS


def test_strips_hold_tiles_of_any_shape_and_say_what_they_show():
    tiles = np.full((2, 3, 60, 120, 3), 255, np.uint8)
    figure = plots.strip(tiles, [["a", "b", "c"]] * 2, "a walk", note="2 s from left to right")
    width, height = figure.get_size_inches()
    assert width > height and any("2 s" in text.get_text() for text in figure.texts)


def test_the_baseline_is_called_by_the_kind_of_items():
    assert models_of(SIGNAL) == models_of("signal") == MODELS | {"baseline": BASELINES["signal"]}
    assert models_of(None)["baseline"] == MODELS["baseline"]
    assert direction_name("led_baseline", "signal") == f"led by {BASELINES['signal']}"
    assert direction_name("led_baseline") == f"led by {MODELS['baseline']}"


def test_the_last_layer_of_a_baseline_of_signals_has_inputs():
    network = SignalResNet(2, 1, width=4).eval()
    x = torch.rand(5, 1, 32)
    inputs = codes.last_layer_inputs(network, lambda rows: x[rows], np.arange(5))
    with torch.no_grad():
        np.testing.assert_allclose(network.head[-1](torch.from_numpy(inputs)), network(x), atol=1e-5)


def test_an_uploaded_recording_is_read_as_the_run_reads_its_own(tmp_path):
    values, _ = pulses(1, samples=80)
    save_csv(tmp_path / "one.csv", values[0], rate=100)
    scale = SignalScale(100.0, ("",), ("mV",), (float(values.min()),), (float(values.max()),)).as_dict()
    x = uploads.read_upload(tmp_path / "one.csv", SIGNAL, 64, 1, scale=scale)
    assert x.shape == (1, 64) and 0 <= x.min() and x.max() <= 1
    np.testing.assert_allclose(SignalScale.from_dict(scale).to_units(x.numpy()), values[0][:, 8:72], atol=1e-3)


@pytest.mark.parametrize(("name", "content"), [("a.xyz", "1,2,3"), ("a.csv", "hello"), ("a.npy", "\x93NUMPY broken")])
def test_an_upload_that_is_no_signal_is_refused_in_a_sentence(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=r"[a-z]"):
        scale = SignalScale(units=("",), low=(0,), high=(1,)).as_dict()
        uploads.read_upload(tmp_path / name, SIGNAL, 64, 1, scale=scale)
