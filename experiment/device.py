"""The device and the precision that arithmetic is done in, and what is known of this machine."""

import sys
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from math import prod

import torch
from fastai.torch_core import default_device

FASTEST = {4: torch.channels_last, 5: torch.channels_last_3d}  # dimensions of items or weights -> memory format
AT_ONCE = 2**21  # places of items that a network answers at once: what it computes of them has to fit into memory
CACHED = 400_000  # values that a core takes at once, so that what it has just made is in its cache still
EXACT = 1e-5  # largest relative error of a product that counts as exact; one in bf16 has 2e-3
PACKAGES = ("torch", "torchvision", "fastai", "fastcore", "torchmetrics", "scikit-learn", "captum", "numpy")


def device_of(model):
    """The device that a model's weights are on."""
    return next(model.parameters()).device


def batches(n, size=64, places=1):
    """Slices that cover 0 to n, `size` at a time; fewer of items with so many places that AT_ONCE holds no more.

    On two cores more at a time are no quicker, and take memory that does not depend on the number of items.
    """
    size = max(1, min(size, AT_ONCE // places))
    return [slice(i, min(i + size, n)) for i in range(0, n, size)]


def in_turn(x):
    """Slices of the items of x: on a processor as many for each core as its cache holds, elsewhere one slice of all."""
    of_core = max(1, CACHED // prod(x.shape[1:]))
    step = of_core * torch.get_num_threads() if x.device.type == "cpu" else max(1, len(x))
    return [slice(at, at + step) for at in range(0, len(x), step)]


def places_of(model):
    """How many places an item of a model has, such as pixels or voxels; 1 where it does not say."""
    size, kind = getattr(model, "input_size", 1), getattr(model, "kind", None)
    return size ** (kind.places if kind else 1) if isinstance(size, int) else prod(size)


def fastest_layout(x):
    """The memory format in which convolutions of items x (B, C, *places), or with weights x, are fastest."""
    return FASTEST.get(x.ndim, torch.contiguous_format)


def lay_out(network):
    """The network with its weights in the memory format in which its convolutions are fastest."""
    widest = max(network.parameters(), key=torch.Tensor.dim, default=torch.empty(0))  # a user's may have no weights
    return network.to(memory_format=fastest_layout(widest))


def exact():
    """A context without autocast: where a decision hangs on small differences."""
    return torch.autocast(default_device().type, enabled=False)


@contextmanager
def quick_products(device):
    """A context in which matrices of full precision on this device are multiplied by oneDNN where that is as exact.

    On the AMD processor of docs/figures.md it takes less than half of the time. torch takes it only where bf16 is
    allowed. Whether oneDNN then rounds to bf16 depends on the processor, so that one product is tried.
    """
    if device.type != "cpu" or torch.get_float32_matmul_precision() != "highest" or not _stays_exact():
        yield
        return
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision("highest")


@cache
def _stays_exact():
    """Is a product of full precision as exact on this processor where torch may compute it in bf16?"""
    left, right = torch.randn(
        2, 256, 256, generator=torch.Generator().manual_seed(0), dtype=torch.float64, device="cpu"
    )
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", enabled=False):
            found = left.float() @ right.float()
            wanted = left @ right
    finally:
        torch.set_float32_matmul_precision("highest")
    return bool((found - wanted).norm() < EXACT * wanted.norm())


def autocast_in(precision):
    """A context in "bf16" or "fp32" on this machine's device."""
    return torch.autocast(default_device().type, torch.bfloat16, enabled=precision == "bf16")


def fast_precision(device):
    """ "bf16" where the device computes it in hardware, else "fp32"."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    has = (getattr(torch.cpu, f"_is_{feature}_supported", lambda: False)() for feature in ("avx512_bf16", "amx_tile"))
    return "bf16" if device.type == "cpu" and any(has) else "fp32"


version_of = cache(metadata.version)  # of an installed package; each is looked for once


def machine_facts(precision):
    """Where a run happens, for its config.json: device, precision ("auto" resolved) and versions of packages."""
    device = default_device()
    versions = {name: version_of(name) for name in PACKAGES} | {"python": sys.version.split()[0]}
    chosen = fast_precision(device) if precision == "auto" else precision
    return {"device": device.type, "precision": chosen, "versions": versions}
