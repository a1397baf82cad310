"""Laws of a run of volumes: trained, walked, scanned, explained, predicted and reported as a run of pictures is."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.command_line import BRIEFLY, EXACT, SMALL, call, refused, succeed
from helpers.sharing import copy_of
from helpers.volumes import ellipsoids, save_archive
from PIL import Image
from torch import fx, nn

from xaae.app.explored_run import open_explorer
from xaae.app.fragments import PageStage, item_pixels
from xaae.experiment.device import autocast_in, batches, lay_out, places_of
from xaae.experiment.errors import InputError
from xaae.explain import explain
from xaae.explain.figures.heatmaps import preset_for
from xaae.explain.result_files import TILES
from xaae.model import AAE, classifier, load, save
from xaae.report.shared.run_files import RunFiles
from xaae.training.volume_resnet import VolumeResNet

SIDE, N = 10, 30
TINY = [*SMALL, "--size", SIDE, "--step-channels", 4, "--batch-size", 12, "--epochs", 1, "--starts", 4]
TINY += ["--random-directions", 4]


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return save_archive(tmp_path_factory.mktemp("volumes") / "toy.npz", N, SIDE)


@pytest.fixture(scope="module")
def volume_run(archive, tmp_path_factory):
    """A run whose factored code has a turn as coordinate, walked, scanned by two factors, explained and reported."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    planted = ["--arm", "biased", "--code", "factored", "--encoding-dims", 6]
    succeed("train", *TINY, *EXACT, *planted, "--dataset", archive, "--out", folder)
    succeed("navigate", folder, *BRIEFLY)
    succeed("scan", folder, "--factors", "rotation,tag", "--items", 6)
    succeed("report", folder)
    return folder


def test_a_run_of_volumes_has_everything_that_one_of_pictures_has(volume_run):
    files = {str(path.relative_to(volume_run)) for path in volume_run.rglob("*")}
    assert {"model.safetensors", "baseline.safetensors", "samples/epoch_0001.png", "walks/lda.npz", "walks/lda.png",
            "walks/lda.gif", "counterfactuals.png", "exemplars.png", "maps.png", "scan.png", "scan/rotation.png",
            "report.html"} <= files  # fmt: skip
    summary = json.loads((volume_run / "summary.json").read_text())
    assert summary["kind"] == "volume" and summary["walk"]["meter"] == "rotation"
    page = (volume_run / "report.html").read_text()
    assert "axial, coronal, sagittal" in page and "3-D ResNet" in page and "ResNet34" not in page


def test_what_is_kept_of_volumes_is_their_middle_slices(volume_run):
    with np.load(volume_run / "walks" / "lda.npz") as walk:
        frames, heat = walk["frames"], walk["heat.integral"]
    assert frames.shape[2:] == (SIDE, 3 * SIDE + 2, 1) and frames.dtype == np.uint8
    assert heat.shape == (len(frames), SIDE, SIDE, SIDE)
    painter = RunFiles(volume_run).painter
    tiles, over = painter.walk(frames), painter.heat(heat / heat.max())
    assert tiles.shape[-3:] == (SIDE, 3 * SIDE + 2, 3) and over.shape[1:] == (SIDE, 3 * SIDE + 2, 4)
    assert Image.open(volume_run / "samples" / "epoch_0001.png").width > 4 * 3 * SIDE


def test_volumes_are_predicted_from_files_and_judged(volume_run, tmp_path, archive):
    run = copy_of(volume_run, tmp_path / "run")
    told = succeed("predict", run, archive, "--samples", 2, "--out", tmp_path / "answers.csv")
    answers = pd.read_csv(tmp_path / "answers.csv")
    assert len(answers) == N and answers.error.isna().all() and f"{N} volumes" in told
    assert "3-D ResNet" in succeed("evaluate", run)


def test_the_app_explores_a_run_of_volumes(volume_run):
    explorer, *_ = open_explorer(volume_run)
    home = explorer.start(explorer.held_out[0])
    told = PageStage(explorer).write(home, [1.0] + [0.0] * (len(explorer.directions) - 1))
    assert "data:image/png" in told and "volume" in told.lower()
    assert item_pixels(explorer.items([0])[0], explorer.drawing).shape == (SIDE, 3 * SIDE + 2)
    frames, _, _ = explorer.strip(home)
    assert frames.shape[2:] == (SIDE, 3 * SIDE + 2, 1)


def test_volumes_are_trained_on_in_bf16_too(archive, tmp_path):
    planted = ["--arm", "biased", "--factor", "tag", "--code", "plain", "--precision", "bf16", "--baseline-epochs", 1]
    succeed("train", *TINY, *planted, "--dataset", archive, "--out", tmp_path / "run")
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    assert np.isfinite(history.valid_reconstruction).all()


@pytest.mark.parametrize("side", [8, 10, 16])
def test_in_bf16_the_3d_resnet_has_the_gradients_of_fp32(side):
    """Of few places oneDNN's bf16 gives what lies in memory: here that are numbers that are none."""
    network, x = VolumeResNet(2, 1, 4), torch.rand(12, 1, side, side, side)
    x = x.to(memory_format=torch.channels_last_3d)
    found = {}
    for precision in ["fp32"] + ["bf16"] * 5:
        network.zero_grad()
        unset = [torch.full((n,), torch.nan) for n in (1_000, 7_000, 30_000, 100_000)]
        del unset
        with autocast_in(precision):
            nn.functional.cross_entropy(network(x), torch.arange(12) % 2).backward()
        found[precision] = torch.cat([w.grad.flatten() for w in network.parameters()])
        assert torch.nn.functional.cosine_similarity(found[precision], found["fp32"], dim=0) > 0.98


@pytest.mark.parametrize(("options", "words"), [
    (["--arm", "biased", "--factor", "tint"], ["tint cannot be planted in volumes", "rotation, brightness"]),
    (["--preset", "thesis", "--size", "16"], ["for pictures", "volumes"]),
    (["--size", "4"], ["4 voxels", "from 8"]),
    (["--channels", "3"], ["one channel"]),
    (["--reconstruction-loss", "ms-ssim"], ["ms-ssim compares pictures"]),
])  # fmt: skip
def test_what_volumes_cannot_have_is_refused_in_a_sentence(archive, tmp_path, options, words):
    result = call("train", *SMALL, "--size", SIDE, "--dataset", archive, *options, "--out", tmp_path / "x")
    assert refused(result, *words)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("method", ["saliency", "gradcam", "occlusion"])
def test_the_3d_resnet_is_explained_and_the_report_has_tiles_of_it(method):
    network, x = VolumeResNet(2, 1, 4).eval(), torch.from_numpy(ellipsoids(2, 12)[0]).float()[:, None] / 255
    maps = explain(network, x, method)
    assert maps.shape[2:] == x.shape[2:] and np.isfinite(maps).all() and np.ptp(maps) > 0
    images, (tiles,) = TILES["volume"](x.numpy(), [maps], [preset_for(method)], {})
    assert images.shape == tiles.shape == (2, 12, 3 * 12 + 2, 3)


# ---- networks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("places", [(8, 8, 8), (9, 11, 13), (28, 28, 28)])
def test_the_3d_resnet_answers_volumes_of_any_size(places):
    fx.symbolic_trace(VolumeResNet(3, 2, 4).eval())  # for what needs its graph, such as LRP
    answers = VolumeResNet(3, 2, 4).eval()(torch.rand(2, 2, *places))
    assert answers.shape == (2, 3) and not torch.equal(answers[0], answers[1])


def test_the_3d_resnet_comes_back_from_its_file(tmp_path):
    network, x = VolumeResNet(2, 1, 4).eval(), torch.rand(2, 1, 8, 8, 8)
    save(network, tmp_path / "x.safetensors")
    assert torch.equal(load(tmp_path / "x.safetensors")(x), network(x))
    with pytest.raises(InputError, match="start at 1"):
        VolumeResNet(2, 0)


@pytest.mark.parametrize("size", [8, 28])
def test_the_aae_of_volumes_is_quick_and_answers_as_its_chain(size):
    aae = AAE(size, 1, 4, 4, kind="volume").eval()
    x = torch.rand(2, 1, size, size, size)
    logits, x_hat, _ = aae(x)
    assert x_hat.shape == x.shape
    torch.testing.assert_close(classifier(aae)(x), logits)
    kernels = [part.weight for part in aae.modules() if isinstance(part, nn.Conv3d)]
    assert all(kernel.is_contiguous(memory_format=torch.channels_last_3d) for kernel in kernels)


def test_networks_of_any_kind_can_be_laid_out():
    for conv, format in ((nn.Conv2d, torch.channels_last), (nn.Conv3d, torch.channels_last_3d)):
        assert lay_out(conv(4, 4, 3)).weight.is_contiguous(memory_format=format)
    assert lay_out(nn.Conv1d(4, 4, 3)).weight.is_contiguous()
    assert isinstance(lay_out(nn.Identity()), nn.Identity)  # a network without weights


def test_large_items_are_answered_few_at_a_time():
    assert batches(160) == [slice(0, 64), slice(64, 128), slice(128, 160)]
    aae = AAE(64, 1, 4, 4, kind="volume")
    few = batches(20, places=places_of(aae))
    assert len(few) == 3 and few[0] == slice(0, 8) and few[-1].stop == 20
    assert batches(2, places=10**9) == [slice(0, 1), slice(1, 2)] and places_of(nn.Linear(2, 2)) == 1
