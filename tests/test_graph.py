"""Laws of unrolled and merged networks: the same function, single modules, and steps that cannot be followed named."""

import pytest
import torch
import torch.nn.functional as F
from helpers.networks import network_case
from torch import nn
from torchvision.models.resnet import BasicBlock

from xaae.benchmarks.networks import NETWORKS
from xaae.explain.method import Refusal
from xaae.explain.network import graph, merging
from xaae.explain.network.subject import Subject


@pytest.mark.parametrize("name", NETWORKS)
def test_unrolled_and_merged_compute_the_same(name):
    subject, x, _ = network_case(name)
    with torch.no_grad():
        expected = subject.network(x)
        for changed in (subject.unrolled, subject.rectified, subject.merged):
            torch.testing.assert_close(changed(x), expected, atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_activation_is_called_once_and_writes_nothing_in_place(name):
    found = network_case(name)[0].unrolled
    called = [n.target for n in found.graph.nodes if n.op == "call_module"]
    active = [t for t in called if isinstance(found.get_submodule(t), graph.ACTIVATIONS)]
    assert active and len(active) == len(set(active))
    assert not any(getattr(m, "inplace", False) for m in found.modules())


def test_the_network_itself_stays_as_it_was():
    first = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), BasicBlock(8, 8)
    network = nn.Sequential(*first, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)).eval()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    inplace = [getattr(m, "inplace", None) for m in network.modules()]
    Subject(network, torch.rand(2, 3, 16, 16)).merged  # noqa: B018
    assert any(inplace)
    assert [getattr(m, "inplace", None) for m in network.modules()] == inplace
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


def test_no_batch_norm_is_left_in_a_resnet():
    subject, *_ = network_case("ResNet34")
    has_norms = [any(isinstance(m, graph.NORMS) for m in n.modules()) for n in (subject.unrolled, subject.merged)]
    assert has_norms == [True, False]


class Odd(nn.Module):
    """A network with one step of a kind given."""

    def __init__(self, step):
        super().__init__()
        self.first, self.step, self.last = nn.Conv2d(1, 4, 3), step, nn.Linear(4, 2)

    def forward(self, x):
        return self.last(self.step(F.relu(self.first(x))).mean((2, 3)))


class Gate(nn.Module):
    """x times its own sigmoid: a product of two tensors."""

    def forward(self, x):
        return x * torch.sigmoid(x)


class Branch(nn.Module):
    """Python that looks at values: torch.fx cannot trace it."""

    def forward(self, x):
        return x if x.sum() > 0 else -x


class Scaled(nn.Module):
    """Arithmetic with numbers, in all spellings."""

    def forward(self, x):
        return 1 - (2 * x / 3 + 0.5)


def subject_of(step):
    """A Subject of the network with this step."""
    torch.manual_seed(0)
    return Subject(Odd(step), torch.rand(2, 1, 8, 8))


@pytest.mark.parametrize(("step", "named"), [(nn.GroupNorm(2, 4), "GroupNorm"), (Gate(), "mul")])
def test_what_cannot_be_followed_is_named(step, named):
    with pytest.raises(Refusal, match=named):
        subject_of(step).merged  # noqa: B018


def test_branches_on_values_are_refused():
    with pytest.raises(Refusal, match="cannot be traced"):
        subject_of(Branch()).unrolled  # noqa: B018


def test_arithmetic_with_numbers_is_followed():
    subject = subject_of(Scaled())
    with torch.no_grad():
        torch.testing.assert_close(subject.merged(subject.example), subject.network(subject.example))
    assert sum(isinstance(m, graph.Step) for m in subject.merged.modules()) == 4


def test_a_number_divided_by_x_is_not_linear():
    class Inverse(nn.Module):
        def forward(self, x):
            return 1 / (x + 1)

    with pytest.raises(Refusal, match="truediv"):
        subject_of(Inverse()).merged  # noqa: B018


def test_a_norm_before_a_linear_layer_goes_into_it():
    torch.manual_seed(0)
    norm, linear = nn.BatchNorm1d(5), nn.Linear(5, 3)
    norm.running_mean, norm.running_var = torch.randn(5), torch.rand(5) + 0.5
    nn.init.normal_(norm.weight), nn.init.normal_(norm.bias)
    x = torch.randn(4, 5)
    norm.eval()
    torch.testing.assert_close(merging.norm_then_linear(norm, linear)(x), linear(norm(x)))
