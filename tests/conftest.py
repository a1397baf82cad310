"""What tests share: a toy dataset on disk, a trained toy run, and where the real data are."""

import os
from pathlib import Path
from tempfile import gettempdir

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: tests share their machine
if int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1)) > 1:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one core for each worker of the tests
worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
os.environ["FASTAI_HOME"] = str(Path(gettempdir()) / f"xaae-tests-{worker}")  # nothing is kept in the home folder

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from click.testing import CliRunner  # noqa: E402
from PIL import Image  # noqa: E402

REAL = Path(__file__).resolve().parents[2] / "shared" / "data"
TINY = ["--preset", "smoke", "--items", "80", "--epochs", "1", "--starts", "4", "--random-directions", "4"]


@pytest.fixture
def real():
    """The folder of real data, or a skip that says why."""
    if not REAL.is_dir():
        pytest.skip(f"no real data at {REAL}")
    return REAL


def call(*args):
    """Run `main.py` with these arguments in this process: click's result, stdout and stderr apart."""
    from xaae.main import main

    return CliRunner().invoke(main, [str(a) for a in args], prog_name="main.py")


@pytest.fixture
def door():
    """`door("train", ...)` runs the command line."""
    return call


@pytest.fixture(scope="session")
def data_root(tmp_path_factory):
    """One place for drawn pictures, so that they are drawn once for all tests."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def toy_run(data_root):
    """A run folder made by the whole job on a handful of drawn pictures."""
    folder = data_root / "toy_run"
    result = call(*TINY, "--dataset", "synthpets", "--data-root", data_root, "--out", folder)
    assert result.exit_code == 0, result.output
    return folder


def save_pictures(folder, classes=("left", "right"), n=20, size=24, mode="RGB"):
    """One folder of n noisy pictures for each class; the brighter half tells the class."""
    rng = np.random.default_rng(0)
    for k, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            pixels = rng.integers(0, 120, (size, size, 3)).astype(np.uint8)
            pixels[:, : size // 2] += np.uint8(120 * (k == 0))
            pixels[:, size // 2 :] += np.uint8(120 * (k == 1))
            Image.fromarray(pixels).convert(mode).save(folder / name / f"{i:03d}.png")
    return folder


@pytest.fixture
def pictures_folder(tmp_path):
    """A folder of two classes of small pictures."""
    return save_pictures(tmp_path / "pictures")
