"""Laws of device and precision: bf16 where the processor computes it, exact where a decision hangs on little."""

import pytest
import torch

from xaae.experiment import device
from xaae.experiment.device import EXACT, autocast_in, batches, exact, fast_precision, machine_facts, quick_products


@pytest.mark.parametrize(("features", "expected"), [((), "fp32"), (("avx512_bf16",), "bf16"), (("amx_tile",), "bf16")])
def test_bf16_is_chosen_where_the_processor_computes_it(monkeypatch, features, expected):
    for name in ("avx512_bf16", "amx_tile"):
        has = name in features
        monkeypatch.setattr(torch.cpu, f"_is_{name}_supported", lambda has=has: has, raising=False)
    assert fast_precision(torch.device("cpu")) == expected


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_precision_that_is_asked_for_is_had_on_any_machine(precision):
    assert machine_facts(precision)["precision"] == precision
    x = torch.ones(4, 4)
    with autocast_in(precision):
        kind = (x @ x).dtype
        with exact():
            assert (x @ x).dtype == torch.float32
    assert kind == {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]


@pytest.mark.parametrize(("n", "size"), [(0, 3), (1, 3), (3, 3), (7, 3)])
def test_batches_cover_everything_once(n, size):
    found = batches(n, size)
    assert [i for each in found for i in range(n)[each]] == list(range(n))
    assert all(0 < each.stop - each.start <= size for each in found)


@pytest.mark.parametrize("exact", [True, False])
def test_the_other_library_multiplies_where_it_is_as_exact(exact, monkeypatch):
    monkeypatch.setattr(device, "_stays_exact", lambda: exact)
    with pytest.raises(RuntimeError), quick_products(torch.device("cpu")):
        assert torch.get_float32_matmul_precision() == ("medium" if exact else "highest")
        raise RuntimeError
    assert torch.get_float32_matmul_precision() == "highest"


def test_products_are_exact_whatever_this_processor_does_in_bf16():
    left, right = torch.randn(2, 300, 300, generator=torch.Generator().manual_seed(1))
    with quick_products(torch.device("cpu")):
        found = left @ right
    assert (found - left.double() @ right.double()).norm() < EXACT * found.norm()


@pytest.mark.parametrize("rounds", [True, False])
def test_what_is_rounded_is_not_taken_for_exact(rounds, monkeypatch):
    """Whatever this processor does: products are made by the test."""

    def product(a, b):
        return torch.matmul((a.bfloat16() if rounds and a.dtype == torch.float32 else a).double(), b.double())

    monkeypatch.setattr(torch.Tensor, "__matmul__", product)
    assert device._stays_exact.__wrapped__() is not rounds
    assert torch.get_float32_matmul_precision() == "highest"


def test_what_a_user_has_chosen_for_products_is_left_alone():
    torch.set_float32_matmul_precision("high")
    try:
        with quick_products(torch.device("cpu")):
            assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision("highest")
