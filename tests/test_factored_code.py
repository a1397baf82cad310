"""Laws of the factored code: what coordinates mean, how the decoder plants them, what training makes of them."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from helpers.pictures import draw_pets

from xaae import data
from xaae import model as models
from xaae.callbacks.distances import grain, neighbour_means
from xaae.callbacks.perceptual import ANSWERED, feature_distance, shares_at
from xaae.callbacks.pyramid import pyramid_distance
from xaae.experiment.errors import InputError
from xaae.experiment.kinds import PICTURE
from xaae.factors.bias import make_bias
from xaae.factors.coordinates import Coordinate, Moves, check_coordinates, plant_coordinates, undo_coordinates
from xaae.factors.geometry import rotation
from xaae.factors.picture_plants import blur
from xaae.factors.registry import FACTORS, factors_for
from xaae.model import LAYERS
from xaae.sources.items import ArrayItems
from xaae.sources.splits import split_table
from xaae.training.factored_code import FactoredAAE, FactoredLoss, GrowingDecoder, GrowingPixels
from xaae.training.feature_network import FeatureNetwork

SMOOTH = [name for name in factors_for(PICTURE, 3) if FACTORS[name].smooth]
TURN = {"rotation": 90.0}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}  # axes of places -> the function


def tiny(coordinates=None, size=32, **options):
    """A small FactoredAAE, ready for use."""
    torch.manual_seed(0)
    return FactoredAAE(size, 3, 8, 8, coordinates=coordinates or TURN, **options).eval()


# ---- coordinates ---------------------------------------------------------------------------------------------------


def test_a_step_of_one_is_a_standard_deviation_of_the_whole_range():
    even = np.random.default_rng(0).uniform(*FACTORS["rotation"].whole, 100_000)
    turn = Coordinate("rotation", 90.0)
    assert turn.scale == pytest.approx(even.std(), rel=0.01)
    torch.testing.assert_close(turn.values(torch.tensor([0.0, 1.0])), torch.tensor([90.0, 90 + turn.scale]))


def test_an_angle_begins_again_after_a_whole_turn_and_its_middle_is_zero():
    turn = Coordinate("rotation")
    angle = torch.arange(-180.0, 180, 30)
    points = torch.stack([angle.deg2rad().cos(), angle.deg2rad().sin()], 1)
    read = turn.scale * turn.read(points, torch.tensor([0.0, 1.0]))  # counted from 90 degrees
    np.testing.assert_allclose(np.cos(np.deg2rad((read - angle + 90).numpy())), 1, atol=1e-5)
    assert (read.abs() <= 180.001).all()
    torch.testing.assert_close(turn.penalty(torch.tensor([0.3])), turn.penalty(torch.tensor([0.3 + turn.turn])))


@pytest.mark.parametrize("name", SMOOTH)
def test_a_small_miss_costs_half_its_square_and_every_smooth_factor_passes_gradients(name):
    coordinate = Coordinate(name, FACTORS[name].neutral)
    miss = torch.tensor([0.05])
    torch.testing.assert_close(coordinate.penalty(miss), miss**2 / 2, rtol=0.01, atol=0)
    z, x = torch.full((2, 1), 0.3, requires_grad=True), draw_pets(2, 32).requires_grad_()
    plant_coordinates(x, [coordinate], z, "zeros").square().sum().backward()
    assert z.grad.abs().min() > 0 and x.grad.abs().max() > 0


@pytest.mark.parametrize("name", [name for name in SMOOTH if FACTORS[name].opposite])
def test_what_moved_places_is_taken_back(name):
    x = blur(draw_pets(4, 64), torch.full((4,), 3.0))  # else what is read between pixels outweighs the move
    coordinate, z = [Coordinate(name)], torch.full((4, 1), 1.0)
    moved = plant_coordinates(x, coordinate, z, "reflect")
    back = undo_coordinates(moved, coordinate, z, "reflect")
    inner = (..., slice(16, 48), slice(16, 48))
    assert (back - x)[inner].square().mean() < 0.1 * (moved - x)[inner].square().mean()


def test_factors_that_no_decoder_can_plant_are_refused():
    check_coordinates(SMOOTH, PICTURE, 3)
    for names, channels in ((["jpeg"], 3), (["rotation", "noise"], 3), (["tint"], 1)):
        with pytest.raises(InputError, match="cannot be a coordinate"):
            check_coordinates(names, PICTURE, channels)


def test_moves_are_drawn_without_regard_to_the_class_and_told_in_coordinates():
    coordinates = [Coordinate("brightness"), Coordinate("rotation", 90.0)]
    moves = Moves(coordinates, "rotation", (0, 180))
    before = np.full(4000, 45.0)
    after = np.array([moves.draw(value) for value in before])
    assert np.histogram(after[:, 1] - 45, 4, (-180, 180))[0].min() > 850, "the whole circle"
    assert after[:, 0].min() < -0.65 and after[:, 0].max() > 0.65
    moved = moves.differences(before, list(after)).numpy()
    np.testing.assert_allclose(moved[:, 1] * coordinates[1].scale, after[:, 1] - 45, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(moved[:, 0] * coordinates[0].scale, after[:, 0], rtol=1e-4, atol=1e-5)


def test_training_batches_hold_every_item_twice_and_validation_once():
    x = draw_pets(24, 32)
    table = split_table(table_of(24), by_class=True)
    bias = make_bias(["cat", "dog"])
    moves = Moves([Coordinate("rotation", 90.0)], "rotation", bias.whole())
    dls = data.dataloaders(data.plant(table, bias), ArrayItems(x), bias, ["cat", "dog"], 4, moves=moves)
    pairs, y, moved = dls.train.one_batch()
    assert pairs.shape == (8, 3, 32, 32) and y.shape == (4,) and moved.shape == (4, 1)
    first, second = torch.Tensor(pairs).chunk(2)
    turned = rotation(torch.stack([first, second], 1).numpy())[0][:, 1]
    missed = turned - moved[:, 0].numpy() * moves.coordinates[0].scale
    assert np.abs((missed + 180) % 360 - 180).max() < 4, "the second version is turned by what the moves say"
    assert len(dls.valid.one_batch()) == 2


@pytest.mark.parametrize("planted", ["rotation", "noise"])
def test_a_planted_factor_that_is_no_coordinate_is_the_same_in_both_versions(planted):
    x, bias = draw_pets(4, 32), make_bias(["cat", "dog"], factor=planted)
    moves, values = Moves([Coordinate("brightness")], planted, bias.whole()), np.array([0.0, 5.0, 9.0, 12.0])
    moved = moves.apply(x, values, [np.zeros(1)] * 4, bias)
    torch.testing.assert_close(moved, bias.plant(x, torch.from_numpy(values).float()))
    assert not torch.equal(moved[1:], x[1:])


def table_of(n):
    """A table of n items, cats and dogs in turn."""
    return pd.DataFrame({"path": [str(i) for i in range(n)], "label": ["cat", "dog"] * (n // 2)})


# ---- the model -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [16, 28, 33, 64])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_shapes_of_items_and_of_pairs(size, channels):
    aae = FactoredAAE(size, channels, 6, 4, classes=3, coordinates={"brightness": 0.0, "rotation": 0.0})
    x = torch.rand(4, channels, size, size)
    for given, n in (((x,), 4), ((x, x.flip(0)), 8)):
        logits, x_hat, z = aae(*given)
        assert logits.shape == (4, 3) and x_hat.shape == (n, *x.shape[1:]) and z.shape == (n, 8)
        assert 0 <= x_hat.min() and x_hat.max() <= 1
    assert aae.content(z).shape == (8, 6) and aae.discriminate(z).shape == (8,)


@pytest.mark.parametrize("kind", ["signal", "volume"])
def test_the_decoder_grows_items_of_every_kind_to_their_own_size(kind):
    places = {"signal": (37,), "volume": (9, 16, 12)}[kind]
    sizes, layers = models.halvings(places), models.LAYERS[kind]
    widths = [2, *[4] * (len(sizes) - 1)]
    decoder = GrowingDecoder(layers, sizes, widths, 5, torch.nn.ReLU)
    assert decoder(torch.randn(2, 5)).shape == (2, 2, *places)


def test_the_coordinate_turns_the_frame_and_nothing_else_does():
    aae = tiny(size=64, fill="circle")
    aae.drawn = lambda z: draw_pets(2, 64)
    turn, z = aae.coordinates[0], torch.zeros(2, 9)
    steps = torch.linspace(0, 1, 5)
    codes = z.repeat(5, 1, 1)
    codes[..., -1] += steps[:, None]
    frames = torch.stack([aae.decode(code) for code in codes], 1)
    degrees, match = rotation(frames.numpy())
    np.testing.assert_allclose(degrees[:, -1], turn.scale, atol=2)
    assert match.min() > 0.97


def test_each_version_is_drawn_from_the_contents_of_the_other():
    aae = tiny()
    x, moved = draw_pets(4, 32).chunk(2)
    _, x_hat, z = aae(x, moved)
    own, other = aae.content(z).chunk(2)
    p = z[:, aae.dims :]
    expected = aae.decode(torch.cat([torch.cat([other, own]), p], 1))
    torch.testing.assert_close(x_hat, expected)


def test_the_classifier_reads_the_item_as_it_is_as_a_plain_chain():
    aae, x = tiny(), draw_pets(4, 32)
    torch.testing.assert_close(models.classifier(aae)(x), aae.classify(x))
    torch.testing.assert_close(aae(x)[0], aae.classify(x))
    along = models.position(aae, np.eye(9, dtype=np.float32)[-1])
    torch.testing.assert_close(along(x)[:, 0], aae.encode(x)[:, -1])


def test_a_factored_model_comes_back_from_its_file(tmp_path):
    aae, x = tiny({"tint": 0.1, "rotation": 45.0}, fill="reflect", noise=0.2), draw_pets(2, 32)
    models.save(aae, tmp_path / "model.safetensors")
    again = models.load(tmp_path / "model.safetensors")
    assert type(again) is FactoredAAE and again.coordinates == aae.coordinates and again.fill == "reflect"
    torch.testing.assert_close(again(x)[1], aae(x)[1])


def test_what_a_first_step_does_not_quarter_is_not_quartered():
    with pytest.raises(InputError, match="give a first step of 4"):
        tiny(quartered=True)


@pytest.mark.parametrize("coordinates", [{}, {"jpeg": 100.0}])
def test_coordinates_that_make_no_sense(coordinates):
    with pytest.raises(InputError):
        FactoredAAE(32, 3, 8, 8, coordinates=coordinates)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layers", [{}, {"first_step": 4, "quartered": True}], ids=["halved", "quartered"])
def test_a_step_of_training_moves_every_part_in_both_precisions(dtype, layers):
    aae, network = tiny(**layers).train(), FeatureNetwork("picture", 3, 2)
    loss = FactoredLoss(aae.coordinates, aae.dims)
    x, y = draw_pets(8, 32), torch.tensor([0, 1, 0, 1])
    loss.model_input, loss.moves = x, torch.linspace(-1, 1, 4)[:, None]
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        pred = aae(*x.chunk(2))
        seen = feature_distance(network.features(pred[1]), network.features(x))
        total = loss(pred, y) + seen
    assert pred[1].dtype == pred[2].dtype == seen.dtype == torch.float32
    total.backward()
    for part in (aae.glance.body, aae.glance.place, aae.glance.answer, aae.encoder, aae.decoder):
        gradients = [p.grad for p in part.parameters()]
        assert all(g.isfinite().all() for g in gradients) and any(g.abs().max() > 0 for g in gradients)


def test_answers_count_only_when_the_code_has_settled():
    assert [shares_at(step) for step in (0, 150, 225, 300, 900)] == [(0, 0), (0.5, 0), (0.75, 0.5), (1, 1), (1, 1)]


@pytest.mark.parametrize("task", ANSWERED)
def test_answers_to_reconstructions_are_pulled_to_those_to_the_items(task):
    """From anywhere, by descent: the answers to the items stay what they are."""
    wanted = torch.tensor([[2.0, -1.0], [-3.0, 0.5], [0.0, 0.0]], requires_grad=False)
    seen = torch.zeros_like(wanted).requires_grad_()
    descent = torch.optim.SGD([seen], 1.0)
    for _ in range(3000):
        descent.zero_grad()
        ANSWERED[task](seen, wanted).backward()
        descent.step()
    decided = {"classes": lambda out: out.softmax(1), "labels": torch.sigmoid, "severity": lambda out: out}[task]
    torch.testing.assert_close(decided(seen.detach()), decided(wanted), atol=0.01, rtol=0)


def test_the_middle_of_the_coordinates_comes_to_rest():
    """Later batches move it less, and what an untrained encoder said at first is forgotten."""
    glance, draws = tiny().glance, torch.Generator().manual_seed(0)
    glance._follow(torch.full_like(glance.middle, 5.0))
    assert (glance.middle == 5).all()
    moved = []
    for _ in range(600):
        before = glance.middle.clone()
        glance._follow(1 + torch.randn(glance.middle.shape, generator=draws))
        moved.append((glance.middle - before).abs().max().item())
    assert (glance.middle - 1).abs().max() < 0.15
    assert max(moved[-100:]) < 0.02 < max(moved[:100])


# ---- the loss ------------------------------------------------------------------------------------------------------


def test_the_pyramid_asks_more_of_outlines_moved_than_of_fine_noise():
    x = torch.zeros(1, 1, 32, 32)
    fine = 0.1 * (2 * torch.tensor([0.0, 1.0]).repeat(16).expand(32, 32) - 1)[None, None]
    coarse = torch.full_like(x, 0.1)
    assert pyramid_distance(x, x).item() == 0
    assert pyramid_distance(coarse, x).item() > 4 * pyramid_distance(fine, x).item() > 0


def test_coordinates_that_differ_by_the_moves_cost_nothing_and_a_constant_costs():
    aae = tiny()
    loss = FactoredLoss(aae.coordinates, aae.dims, reconstruction=0.0, classification=0.0)
    x = draw_pets(4, 32)
    loss.model_input, loss.moves = torch.cat([x, x]), torch.linspace(-1, 1, 4)[:, None]
    u, p, y = torch.randn(4, 8), torch.randn(4, 1), torch.tensor([0, 1, 0, 1])
    cost = lambda moved: loss((torch.zeros(4, 2), loss.model_input, torch.cat([torch.cat([u, u]), moved], 1)), y)  # noqa: E731
    assert cost(torch.cat([p, p + loss.moves])).item() == pytest.approx(0, abs=1e-5)
    assert cost(torch.cat([p, p])).item() > 0.1
    turned = torch.cat([p, p + loss.moves + aae.coordinates[0].turn])
    assert cost(turned).item() == pytest.approx(0, abs=1e-4), "a whole turn more is the same"
    assert math.isfinite(loss.parts["content"])


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("signal", (7,), (14,)),
        ("picture", (5, 7), (10, 14)),
        ("picture", (4, 8), (8, 8)),
        ("volume", (3, 4, 5), (6, 4, 10)),
    ],
)
def test_the_last_step_is_a_transposed_convolution(kind, before, after):
    torch.manual_seed(0)
    step = GrowingPixels(LAYERS[kind], 6, 3, before, after)
    padding = [2 if stride == 2 else 1 for stride in step.strides]
    x = torch.randn(2, 6, *before)
    its_own = TRANSPOSED[len(before)](x, step.weight, step.bias, step.strides, padding)
    assert its_own.shape[2:] == after
    torch.testing.assert_close(step(x), its_own)


def test_where_planting_softens_what_is_drawn_before_has_no_grain():
    torch.manual_seed(0)
    x, y = draw_pets(4, 32), torch.tensor([0, 1, 0, 1])
    for name in SMOOTH:
        aae = FactoredAAE(32, 3, 8, 8, coordinates={name: FACTORS[name].neutral}).train()
        pred = aae(x, x)
        assert len(pred) == 3 + (name == "blur") and len(aae(x)) == 3
    aae = FactoredAAE(32, 3, 8, 8, coordinates={"rotation": 0.0, "blur": 0.0})
    loss = FactoredLoss(aae.coordinates, aae.dims)
    loss.model_input, loss.moves = torch.cat([x, x]), torch.zeros(4, 2)
    logits, x_hat, z, drawn = aae(x, x)
    checks = drawn + 0.1 * (torch.arange(32) % 2 - 0.5)
    assert loss((logits, x_hat, z, checks), y) > loss((logits, x_hat, z, drawn), y) + 0.02


@pytest.mark.parametrize("places", [(9,), (8, 9), (4, 5, 6)])
def test_grain_is_what_differs_from_the_mean_of_the_neighbours(places):
    even = torch.arange(places[-1]).float().expand(2, 3, *places)
    inner = (..., slice(1, -1))
    torch.testing.assert_close(neighbour_means(even)[inner], even[inner])
    assert grain(torch.ones(2, 3, *places)) == 0
    assert grain(torch.arange(places[-1]).float().remainder(2).expand(2, 3, *places)) == pytest.approx(2 / 3, abs=0.06)
