"""Fixtures that several test files share, and the environment that tests run in. What is imported is in `helpers`."""

import gc
import os
import random
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: tests share their machine
if int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1)) > 1:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one core for each worker of the tests
gc.disable()  # until everything is imported: see pytest_collection_finish
HOME_OF_FASTAI = TemporaryDirectory(prefix="xaae-tests-")  # gone when this process ends: nothing is kept
os.environ["FASTAI_HOME"] = HOME_OF_FASTAI.name

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from helpers.command_line import EXACT, TINY, TOY_FACTORS, TOY_METHODS, call, succeed  # noqa: E402  (nothing here
from helpers.places import REAL  # noqa: E402  loads torch: the process that hands out the tests needs none)
from helpers.sharing import common_folder, copy_of, lent, made_once  # noqa: E402
from helpers.warm_process import processes  # noqa: E402

from xaae.experiment.late_compiler import load_compiler_late  # noqa: E402

load_compiler_late()  # as every command does

FORKING = "explain_command door runner refusing_disks labels item_paths item_cache navigation targets".split()
FORKING += "led_walks nifti_files".split()  # all these explain in other processes
LONGEST = ["train", *FORKING, *"audit_command second_process resume app_page house jobs factored_run".split()]
LONGEST += "growth latent_maps scan volume_run matrix notebooks real evaluate report installation".split()
LONGEST += "manifest dicom_files walks warm_process report_sections first_look".split()
LONGEST += "adapter signals gradients predict report_script learner tutorial figure_style synthpets".split()


def pytest_collection_modifyitems(items):
    """The files that take longest come first, the others as they were: so two processes end at about the same time."""
    rank = {f"test_{name}": i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Each process gets whole files, and one gets all of FORKING: so only one loads a fork server for explanations."""
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            return "forking" if Path(file).stem.removeprefix("test_") in FORKING else file

    return ByFile(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_finish():
    """What libraries and tests are made of stays to the end: no collection of garbage looks through it again."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure():
    """What is left at the end was looked through once, for errors in what nobody holds: pytest would do it twice."""
    gc.freeze()


@pytest.fixture(autouse=True)
def same_draws():
    """Global generators begin anew with each test, whichever tests this process ran before."""
    import torch

    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  (fastai draws from it)
    torch.default_generator.manual_seed(0)  # that of the CPU; torch.manual_seed looks for every device


@pytest.fixture(scope="session", autouse=True)
def quickly_trained_meter():
    """Navigation trains a rotation network on its run's items; of drawn pictures it learns enough in fewer steps."""
    from xaae.factors import rotation_network

    with pytest.MonkeyPatch.context() as patch:
        train = rotation_network.train_rotation_network
        patch.setattr(rotation_network, "train_rotation_network", partial(train, steps=60))
        patch.setattr(rotation_network, "BATCH", 32)  # off by some 6 degrees
        yield


@pytest.fixture(scope="session", autouse=True)
def quickly_trained_judge():
    """The judge of reconstructions sees its items once; `test_reconstruction_judge` looks at one that has learned."""
    from xaae.training import reconstruction_judge

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reconstruction_judge, "JUDGE_SEEN", 1)
        yield


@pytest.fixture(scope="session", autouse=True)
def small_films():
    """Walks are filmed as they are decoded, not enlarged; `test_films` looks at films of the usual size."""
    from xaae.latent_nav import films

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(films, "SIDE", 32)
        yield


@pytest.fixture(scope="session", autouse=True)
def few_reaches():
    """How far a led walk goes is tried at four lengths, since toys are seldom brought over. Gives the usual lengths."""
    from xaae.latent_nav import led_walks

    usual = led_walks.REACHES
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(led_walks, "REACHES", [0.75, 1.5, 3.0, 6.0])
        yield usual


@pytest.fixture(scope="session", autouse=True)
def few_trees():
    """The forests that tell which number of a code holds a factor have half of their trees. Gives the usual number."""
    from xaae.latent_nav import code_health

    usual = code_health.TREES
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(code_health, "TREES", 15)
        yield usual


@pytest.fixture(scope="session", autouse=True)
def few_pictures_on_maps():
    """Two items lie as pictures on each map of a navigation: drawing and placing seven took a third of its time."""
    from xaae.latent_nav import item_results

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(item_results, "THUMBS", 2)
        yield


@pytest.fixture
def small_baseline(monkeypatch):
    """One layer in the ResNet34's place, for tests of what is around it. In this process only, for its own runs."""
    from helpers.toys import one_layer

    monkeypatch.setattr("xaae.training.learner.resnet34", one_layer)
    monkeypatch.setattr("xaae.model.resnet34", one_layer)


@pytest.fixture
def real(request):
    """The folder of real data, or a skip that says what is not there: pets, or what the marker `real` names."""
    marker = request.node.get_closest_marker("real")
    for name in (marker and marker.args) or ("oxford-iiit-pet",):
        if not (REAL / name).exists():
            pytest.skip(f"no real data at {REAL / name}")
    return REAL


@pytest.fixture
def door():
    """`door("train", ...)` runs the command line."""
    return call


@pytest.fixture(scope="session")
def warm(tmp_path_factory):
    """What starts `python ...` as another process without the seconds that libraries take to load."""
    with processes(common_folder(tmp_path_factory)) as found:
        yield found


@pytest.fixture(scope="session")
def data_root(tmp_path_factory):
    """One place for drawn pictures, so that they are drawn once for all tests of a process."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def toy_models(data_root, tmp_path_factory):
    """A run folder in which both models were trained on a handful of drawn pictures in fp32, and nothing else done."""

    def make(folder):
        succeed("train", *TINY, "--dataset", "synthpets", "--data-root", data_root, "--out", folder, *EXACT)

    with lent(
        copy_of(made_once(tmp_path_factory, "models", make), tmp_path_factory.mktemp("toy") / "models")
    ) as folder:
        yield folder


@pytest.fixture(scope="session")
def toy_run(data_root, tmp_path_factory):
    """A run folder made by the whole job on a handful of drawn pictures; each process of tests has a copy.

    Its precision is fp32 on any machine. `helpers.sharing.in_bf16` makes a copy one of bf16. It is
    scanned by TOY_FACTORS, and two of its items are explained by TOY_METHODS.
    """

    def make(folder):
        from xaae.cli import run
        from xaae.scan import scan_run

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(scan_run, "factors_for", lambda kind, channels: list(TOY_FACTORS))
            patch.setattr(run, "explain_by_methods", partial(run.explain_by_methods, methods=TOY_METHODS, items=2))
            succeed(*TINY, "--dataset", "synthpets", "--data-root", data_root, "--out", folder, *EXACT)

    made = made_once(tmp_path_factory, "run", make)
    with lent(copy_of(made, tmp_path_factory.mktemp("toy") / "run")) as folder:
        yield folder


@pytest.fixture
def threads():
    """torch.set_num_threads; whatever number this machine has is given back in the end."""
    import torch

    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture
def pictures_folder(tmp_path):
    """A folder of two classes of small pictures."""
    from helpers.pictures import save_pictures

    return save_pictures(tmp_path / "pictures")
