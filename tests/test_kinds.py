"""The seams: items of any kind pass through table, planting, model, training, walk and meter without a special case."""

import numpy as np
import pandas as pd
import pytest
import torch

from xaae import data
from xaae.experiment.errors import InputError
from xaae.experiment.kinds import KINDS, PICTURE, SIGNAL, kind_of
from xaae.experiment.seeds import seed_all
from xaae.experiment.settings import RunConfig
from xaae.factors.bias import make_bias
from xaae.factors.measuring import Meter
from xaae.factors.registry import FACTORS, Factor, factors_for
from xaae.latent_nav import directions, naming, walks
from xaae.latent_nav.encoded_run import encode_run
from xaae.model import AAE, load, save
from xaae.sources.items import ArrayItems
from xaae.sources.splits import split_table
from xaae.training import learner
from xaae.training.trained_run import TrainedRun

CLASSES, LENGTH = ["narrow", "wide"], 40
LEVEL = Factor("level", lambda x, v, _: x + v.view(-1, 1, 1).to(x), "of full scale", (0, 0.5), (0, 1), "level", "level",
               kind="signal")  # fmt: skip
METER = Meter("level", "of full scale", lambda x: x.mean((2, 3)), "rises by {}", "falls by {}")


def pulses(n):
    """n signals (n, 1, LENGTH) of one pulse each, narrow and wide in turn, at random places; their labels (n,)."""
    rng, time = np.random.default_rng(0), np.arange(LENGTH)
    width = np.where(np.arange(n) % 2, 5.0, 2.0)
    place = rng.uniform(12, LENGTH - 12, n)
    shape = np.exp(-(((time - place[:, None]) / width[:, None]) ** 2) / 2)
    return (0.4 * shape * 2 / width[:, None])[:, None].astype(np.float32), np.array(CLASSES)[np.arange(n) % 2]


@pytest.fixture(scope="module")
def signal_run(tmp_path_factory):
    """A TrainedRun of signals in which the class decides the level."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FACTORS, LEVEL.name, LEVEL)
        seed_all(0)
        folder, (values, labels) = tmp_path_factory.mktemp("signals"), pulses(400)
        items = ArrayItems(values)
        table = split_table(pd.DataFrame({"path": [f"signals#{i}" for i in range(len(labels))], "label": labels}))
        bias = make_bias(CLASSES, factor=LEVEL.name)
        table = data.plant(table, bias)
        dls = data.dataloaders(table, items, bias, CLASSES, bs=32)
        aae = AAE(LENGTH, 1, encoding_dims=8, step_channels=8, kind="signal", noise=0.1)
        learn = learner.aae_learner(dls, aae, folder)
        with learn.no_bar(), learn.no_logging():
            learner.fit_aae(learn, learner.default_stages(12))
        save(aae, folder / "model.safetensors")
        config = RunConfig(kind="signal", arm="biased", factor=LEVEL.name, classes=tuple(CLASSES), input_size=LENGTH,
                           input_channels=1, class_ranges=bias.ranges, precision="fp32")  # fmt: skip
        yield TrainedRun(folder, config, table, items)


def test_a_signal_is_planted_as_the_table_says(signal_run):
    rows = signal_run.rows("valid")
    planted, plain = signal_run.planted(rows), signal_run.upright(rows)
    assert planted.shape == (len(rows), 1, LENGTH)
    np.testing.assert_allclose((planted - plain).mean((1, 2)), signal_run.table.value[rows], atol=1e-4)


def test_a_walk_of_signals_shows_the_planted_level(signal_run):
    encoded = encode_run(signal_run, meters={"level": METER})
    assert encoded.z.shape == (400, 8) and encoded.meter is METER
    held_out = signal_run.rows("valid")
    decided = np.array(CLASSES)[encoded.logits[held_out].argmax(1)]
    assert np.mean(decided == encoded.labels[held_out]) > 0.9
    (way,) = directions.fit_directions(encoded.evidence(encoded.sides), ["means"])
    rows = signal_run.starts(12, np.random.default_rng(0))
    walk = walks.walk(encoded.model, encoded.codes(rows), encoded.one_hot(rows), way, walks.alphas(), encoded.meters)
    assert walk.frames.shape == (12, 21, 1, LENGTH) and walk.match is None
    middles = list(signal_run.bias.middles().values())
    x = signal_run.upright(rows)
    shift = walks.planted_shift(x, signal_run.plant, middles[0], middles[-1], METER)
    assert shift == pytest.approx(0.25, abs=1e-4)
    changes = naming.meter_changes(walk.readings, encoded.meters)["level"]
    assert np.median(changes) > shift / 2 and walks.rank_correlation(walk.alpha, walk.readings["level"]) > 0.9
    error = walks.reconstruction_error(encoded.model, x, signal_run.plant, signal_run.bias.grid(5), METER)
    assert error < shift / 4


def test_a_model_of_signals_is_saved_and_loaded(signal_run):
    x, model = signal_run.planted(signal_run.rows("valid")), load(signal_run.folder / "model.safetensors")
    assert model.kind is SIGNAL
    torch.testing.assert_close(model.decode(model.encode(x)), signal_run.model().cpu().decode(model.encode(x)))


SHAPES = {
    "signal": [(16,), (37,), (200,)],
    "picture": [(16, 16), (28, 28), (16, 45)],
    "volume": [(8, 8, 8), (9, 12, 20)],
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_an_item_of_any_shape_comes_back_in_its_own_shape(kind):
    for places in SHAPES[kind.name]:
        model, x = AAE(places, 2, 5, 4, kind=kind.name, classes=3), torch.rand(4, 2, *places)
        logits, x_hat, z = model(x)
        assert (logits.shape, x_hat.shape, z.shape) == ((4, 3), x.shape, (4, 5))
        assert kind_of(x.shape) is kind


def test_what_fits_no_kind_is_one_sentence():
    for shape in ((2, 3), (2, 3, 4, 5, 6, 7)):
        with pytest.raises(InputError, match="holds no signals, pictures or volumes"):
            kind_of(shape)
    for settings, words in (({"kind": "film"}, "No such kind"), ({"task": "ranks"}, "No such task"),
                            ({"input_size": (16, 16, 16)}, "height, width"), ({"input_size": 8}, "8 pixels"),
                            ({"input_size": 4, "kind": "volume"}, "4 voxels")):  # fmt: skip
        with pytest.raises(InputError, match=words):
            AAE(**{"input_size": 16} | settings)


def test_factors_are_offered_to_the_items_that_can_have_them():
    assert not {"rotation", "tag"} & set(factors_for(SIGNAL, 1)) and LEVEL.name not in factors_for(PICTURE, 3)
    assert set(factors_for(PICTURE, 3)) - set(factors_for(PICTURE, 1)) == {"tint"}
