"""Laws of planting in the training of signals: settings by kind, a factored code that knows the rate, refusals."""

import numpy as np
import pytest
import torch

from xaae import data
from xaae.audit.audit_plan import plan_audit
from xaae.experiment.audit_settings import AUDITED_FACTORS, AuditSettings
from xaae.experiment.errors import InputError
from xaae.experiment.kinds import SIGNAL
from xaae.experiment.settings import USUAL_FACTORS, RunConfig, RunSettings
from xaae.factors.coordinates import Coordinate, Moves
from xaae.factors.registry import FACTORS, factors_for
from xaae.model import load, save
from xaae.sources.synthbeats import RATE, draw_beats
from xaae.training.factored_code import FactoredAAE, FactoredLoss
from xaae.training.fitting import make_aae
from xaae.training.preparation import prepare_training, resolve, run_name

SMOOTH = [name for name in factors_for(SIGNAL, 1) if FACTORS[name].smooth]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


def prepared(root, **given):
    """What training would begin with, of few drawn beats."""
    given = {"dataset": "synthbeats", "items": 40, "data_root": str(root), "precision": "fp32"} | given
    settings, note = resolve(RunSettings.from_options(**given))
    return prepare_training(settings, note), run_name(settings)


def recording_folder(folder):
    """Two classes of recordings of one's own."""
    for name, offset in (("a", 0.0), ("b", 1.0)):
        (folder / name).mkdir(parents=True)
        for i in range(20):
            np.save(folder / name / f"{i}.npy", np.random.default_rng(i).normal(offset, 1, (1, 64)).astype(np.float32))
    return str(folder)


def test_beats_get_hum_by_their_class_and_a_code_with_its_coordinate(root):
    found, name = prepared(root)
    config, values = found.config, found.table.value
    assert (config.kind, config.factor, config.arm, config.rate) == ("signal", "hum", "biased", RATE)
    assert name == "synthbeats-biased-s0" and set(config.centres) == {"hum"} and config.code == "factored"
    assert values[found.table.label == "notched"].max() <= 3 < 12 <= values[found.table.label == "smooth"].min()
    planted = data.render_items(found.items, [0, 1], [0.0, 15.0], found.planted)
    expected = FACTORS["hum"].plant(found.items[[0, 1]], torch.tensor([0.0, 15.0]), "zeros", RATE)
    torch.testing.assert_close(planted, expected)
    aae, *_ = make_aae(config)
    assert isinstance(aae, FactoredAAE) and aae.coordinates[0].rate == RATE


def test_what_a_decoder_cannot_plant_is_planted_and_gives_way_to_the_usual_coordinate(root):
    found, name = prepared(root, factor="polarity")
    assert found.planted.factor == "polarity" and set(found.config.centres) == {"hum"} and "polarity" in name
    with pytest.raises(InputError, match="'polarity' cannot be a coordinate"):
        prepared(root, coordinates=("polarity",))


def test_your_own_signals_have_the_usual_factor_of_signals_and_nothing_planted(root, tmp_path):
    own = recording_folder(tmp_path / "own")
    found, _ = prepared(root, dataset=own)
    assert (found.config.factor, found.config.arm, found.config.rate) == (USUAL_FACTORS["signal"], "normal", None)
    assert (found.table.value == FACTORS["hum"].neutral).all()
    torch.testing.assert_close(data.render_items(found.items, [3], [0.0], found.planted), found.items[[3]])
    found, _ = prepared(root, dataset=own, arm="biased")
    assert found.planted.factor == "hum" and found.table.value.max() > 12


def test_a_factor_of_pictures_is_refused_by_one_sentence_that_names_others(root):
    with pytest.raises(InputError, match="rotation cannot be planted in signals: choose --factor from hum, drift"):
        prepared(root, factor="rotation")
    assert prepared(root, factor="rotation", arm="normal")[0].config.factor == "hum"


def test_a_severity_of_beats(root):
    found, _ = prepared(root, predict=("qrs_ms",), unit="ms", arm="normal")
    assert found.config.task == "severity" and found.config.target["unit"] == "ms"


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("length", [64, 97])
def test_a_factored_code_of_signals_plants_its_coordinate_last(name, length, tmp_path):
    torch.manual_seed(0)
    aae = FactoredAAE(length, 2, 6, 4, coordinates={name: FACTORS[name].neutral}, kind="signal", rate=RATE).eval()
    x = torch.rand(4, 2, length)
    z = aae.encode(x)
    assert z.shape == (4, 7) and aae.decode(z).shape == x.shape and aae(x)[0].shape == (4, 2)
    (coordinate,) = aae.coordinates
    expected = FACTORS[name].plant(aae.drawn(z), coordinate.values(z[:, 6]), "zeros", RATE)
    torch.testing.assert_close(aae.decode(z), expected)
    aae.keep_within({name: (-1.0, 1.0)})
    save(aae, tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    assert again.coordinates[0] == Coordinate(name, FACTORS[name].neutral, (-1.0, 1.0), RATE)
    torch.testing.assert_close(again.decode(z), aae.decode(z))


@pytest.mark.parametrize("name", SMOOTH)
def test_training_of_pairs_follows_the_coordinate_and_the_content(name):
    torch.manual_seed(0)
    aae = FactoredAAE(192, 1, 6, 4, coordinates={name: FACTORS[name].neutral}, kind="signal", rate=RATE).train()
    x = torch.from_numpy(0.25 + 0.45 * draw_beats(8)[0])
    moves = Moves(aae.coordinates, name, FACTORS[name].whole)
    values = [moves.draw(FACTORS[name].neutral) for _ in x]
    moved = FACTORS[name].plant(x, torch.tensor(np.stack(values)[:, 0]).float(), "zeros", RATE)
    loss = FactoredLoss(aae.coordinates, aae.dims, distance=lambda a, b: (a - b).abs())
    loss.model_input = torch.cat([x, moved])
    loss.moves = moves.differences(np.full(len(x), FACTORS[name].neutral), values)
    loss(aae(x, moved), torch.arange(8) % 2).backward()
    assert loss.parts["equivariance"] > 0
    for part in (aae.glance.place, aae.glance.answer, aae.encoder.code, aae.decoder.seed):
        assert part.weight.grad.abs().max() > 0


def test_a_config_of_other_kinds_has_no_rate():
    about = {"classes": ("a", "b"), "input_size": 32, "input_channels": 3, "class_ranges": {}}
    assert RunConfig(**about).rate is None and RunConfig(**about, signal_scale={"rate": 360.0}).rate == 360


def test_an_audit_of_signals_plants_what_signals_can_have(root, tmp_path):
    places = {"dataset": "synthbeats", "data_root": str(root), "arms": str(tmp_path / "arms"), "items": 100}
    smoke = plan_audit(AuditSettings.from_options("smoke", probe=13, **places), tmp_path / "audit")
    assert smoke.settings.factors == ("hum",) and smoke.settings.size == 192
    assert set(AUDITED_FACTORS["signal"]) <= set(factors_for(SIGNAL, 1)) and len(AUDITED_FACTORS["signal"]) == 5
    asked = AuditSettings.from_options("smoke", probe=13, factors=("spike", "shift"), **places)
    assert plan_audit(asked, tmp_path / "audit").settings.factors == ("spike", "shift")
    with pytest.raises(InputError, match="rotation cannot be planted in signals"):
        plan_audit(AuditSettings.from_options("smoke", probe=13, factors=("rotation",), **places), tmp_path / "audit")
