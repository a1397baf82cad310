"""Laws of the judge of reconstructions: it learns the classes, and its agreement says how much of them is left."""

import numpy as np
import pytest
import torch
from helpers.pictures import save_pictures
from torch import nn

from xaae.experiment.settings import RunSettings
from xaae.training import reconstruction_judge
from xaae.training.preparation import prepare_training, resolve
from xaae.training.reconstruction_judge import Softened, judge_reconstructions, train_judge


class Decoded(nn.Module):
    """In an AAE's place: the code is the picture, and `decode` makes of it what it was given."""

    def __init__(self, decode):
        super().__init__()
        self.decode, self.weight = decode, nn.Parameter(torch.zeros(1))

    def encode(self, x):
        return x


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Pictures of two classes that are easily told apart, a quarter of them held out."""
    folder = save_pictures(tmp_path_factory.mktemp("judged") / "pictures", n=40)
    settings, note = resolve(RunSettings(dataset=str(folder), arm="normal", size=16, seed=0))
    return prepare_training(settings, note)


@pytest.mark.parametrize(
    "decode, expected",
    [
        (lambda z: z, lambda held: {1.0}),
        (lambda z: z.flip(0), lambda held: {np.mean(held == held[::-1])}),
        (lambda z: torch.full_like(z, 0.5), lambda held: {np.mean(held == name) for name in held}),  # one answer to all
    ],
    ids=["kept", "mixed up", "erased"],
)
def test_the_agreement_is_what_the_decoder_has_left_of_the_classes(prepared, monkeypatch, decode, expected):
    monkeypatch.setattr(reconstruction_judge, "JUDGE_SEEN", 700)
    found = judge_reconstructions(Decoded(decode), train_judge(prepared), prepared)
    held = prepared.table.label[prepared.table.split == "valid"].to_numpy()
    assert found["recon_judge_accuracy"] == 1.0
    assert found["recon_agreement"] in expected(held)


@pytest.mark.parametrize("shape", [(6, 2, 9), (6, 2, 9, 9), (6, 2, 5, 5, 5)], ids=["signal", "picture", "volume"])
def test_items_are_softened_each_by_its_own_amount_and_in_training_alone(shape):
    x, network = torch.rand(1, *shape[1:]).expand(shape), Softened()
    seen = network(x)
    assert seen.shape == x.shape and 0 <= seen.min() and seen.max() <= 1
    grain = [float((each[..., 1:] - each[..., :-1]).abs().mean()) for each in (x[0], *seen)]
    assert len(set(grain)) == 7 and max(grain[1:]) < grain[0] and min(grain[1:]) < 0.8 * grain[0]
    assert network.eval()(x) is x and torch.equal(Softened()(torch.ones(shape)), torch.ones(shape))
