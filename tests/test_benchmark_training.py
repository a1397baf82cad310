"""Laws of the benchmarks of training: a bare step is one of training, bit by bit; at other sizes the thesis's network
differs by a stride."""

import math

import pytest
import torch
from fastai.data.core import DataLoaders
from fastai.torch_core import default_device

from xaae.benchmarks import loop_speed, thesis_sizes
from xaae.benchmarks.training_speed import LR, LearnerSteps, items_at, one_batch
from xaae.callbacks import NoValidation, Perceptual, SampleGrid
from xaae.experiment.errors import InputError
from xaae.training.muon import MAKERS
from xaae.training.thesis import ThesisAAE

STEPS, CODES = 3, list(loop_speed.LEARNERS)


class Resident(list):
    """Batches that a Learner is given as they are: one input, then targets."""

    n_inp, device = 1, default_device()


def weights_of(learn):
    """Every weight that a training moves, by name."""
    beside = [each.network for each in learn.cbs if isinstance(each, Perceptual)]
    return {f"{i}.{n}": w for i, net in enumerate([learn.model, *beside]) for n, w in net.state_dict().items()}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("code", CODES)
def test_bare_steps_move_the_weights_as_a_fit_does_bit_by_bit(code, precision):
    moved = []
    with loop_speed.LEARNERS[code](200, 32, precision) as learn:
        batch = one_batch(learn.dls)
    for bare in (True, False):
        torch.manual_seed(0)
        with loop_speed.LEARNERS[code](200, 32, precision) as learn:
            before = {name: weight.clone() for name, weight in weights_of(learn).items()}
            if bare:
                steps = LearnerSteps(learn, batch, precision)
                torch.manual_seed(1)
                steps(STEPS)
            else:
                learn.remove_cbs(learn.cbs.filter(lambda each: isinstance(each, SampleGrid)))  # it draws at random
                learn.dls = DataLoaders(Resident([batch] * STEPS), learn.dls.valid)
                torch.manual_seed(1)
                with learn.no_bar(), learn.no_logging():
                    learn.fit(1, LR, cbs=NoValidation())
            moved.append(weights_of(learn))
    assert moved[0].keys() == moved[1].keys()
    assert [name for name, weight in moved[0].items() if not torch.equal(weight, moved[1][name])] == []
    assert sum(not torch.equal(weight, before[name]) for name, weight in moved[0].items()) > len(before) / 2


@pytest.mark.parametrize("compare", [loop_speed.loop, loop_speed.products], ids=lambda each: each.__name__)
def test_both_codes_are_measured(compare, monkeypatch):
    monkeypatch.setattr(loop_speed, "LEAST", 1)
    options = {"items": 160} if compare is loop_speed.loop else {"side": 256}
    found = compare(32, "fp32", 1, **options)
    assert [c.name for c in found] == [f"{compare.__name__}-32-{code}" for code in CODES]
    assert all(math.isfinite(c.ratio_median) and c.ratio_median > 0 and f"{c.name[-5:]} code" in c.says for c in found)


def test_products_that_are_added_in_place_are_counted_like_others():
    """And a step of Muon takes at least the two large ones, of which one is such."""
    own, a, b = torch.zeros(5, 7), torch.ones(5, 3), torch.ones(3, 7)
    assert (
        loop_speed.operations_of(lambda: own.addmm_(a, b)) == loop_speed.operations_of(lambda: a @ b) == 2 * 5 * 3 * 7
    )
    weight = torch.ones(2, 3, 5, 5, requires_grad=True)
    weight.grad = torch.ones_like(weight)
    taken = loop_speed.operations_of(MAKERS["muon"]([[weight]], lr=0.1).step)
    assert taken >= 2 * (2 * 2 * 2 * 75)  # x x' and the turn of x, beside the small products of the rounds


def test_larger_items_are_fewer_and_never_more_than_asked_for():
    found = [items_at(3000, size) for size in (32, 64, 128, 256)]
    assert found[0] == found[1] == 3000 > found[2] > found[3] and items_at(100, 256) == 100


@pytest.mark.parametrize("size", thesis_sizes.CHANGED)
def test_the_network_of_the_thesis_is_its_own_but_for_a_stride(size):
    made, own = thesis_sizes.thesis_at(size).eval(), ThesisAAE(128)
    assert [w.shape for w in made.parameters()] == [w.shape for w in own.parameters()]
    with torch.inference_mode():
        _, x_hat, z = made(torch.rand(1, 3, size, size))
    assert x_hat.shape == (1, 3, size, size) and z.shape == (1, 128)
    strides = [[part.stride for part in net.modules() if hasattr(part, "stride")] for net in (made, own)]
    assert 1 <= sum(a != b for a, b in zip(*strides, strict=True)) <= 2  # at most one each of encoder and decoder


def test_other_sizes_are_those_of_the_thesis_or_refused():
    assert thesis_sizes.thesis_at(32).input_size == 32
    with pytest.raises(InputError, match="not 48"):
        thesis_sizes.thesis_at(48)


def test_both_codes_are_set_beside_the_thesis_by_the_image(monkeypatch):
    seconds = iter([1.0, 2.0, 4.0, 4.0, 2.0, 1.0])
    monkeypatch.setattr(thesis_sizes, "seconds_of", lambda epoch: epoch() or next(seconds))
    found = {c.name: c for c in thesis_sizes.beside_thesis(32, "fp32", 2, items=40, more=100)}
    assert list(found) == ["thesis-32-plain", "thesis-32-factored"]
    # 32 pictures of the thesis's in batches of 16; 80 of the plain code's; 2 batches of 32 pairs of the factored one's
    plain, factored = found.values()
    assert plain.ours == pytest.approx(2 / 80) and plain.repeats == 2
    assert (factored.ratio_min, factored.ratio_max) == pytest.approx((1 / 128 / (4 / 32), 1 / 128 / (4 / 32)))
