"""Codes: where the items lie in the latent space of a trained model."""

import numpy as np
import torch
from torch import nn
from tqdm.auto import tqdm

from xaae.experiment.device import batches, device_of, places_of


@torch.inference_mode()
def over_items(function, items, rows, places=1):
    """`function(x)` for the items of `rows`, batch by batch; `items(rows)` gives x (B, C, *places).

    function returns a tensor or a tuple of them with B rows; the result is the same with N rows, NumPy float32. places:
    of an item, see `batches`.
    """
    bar = tqdm(batches(len(rows), places=places), "encoding", leave=False, disable=None)
    parts = [function(items(rows[part])) for part in bar]
    if isinstance(parts[0], tuple):
        return tuple(torch.cat(p).float().cpu().numpy() for p in zip(*parts, strict=True))
    return torch.cat(parts).float().cpu().numpy()


def encode_items(model, items, rows):
    """(z (N, D), logits (N, K)) of the items of `rows`: codes and class scores, by the head if there is one."""
    device, head = device_of(model), getattr(model, "head", None)

    def both(x):
        z = model.encode(x.to(device))
        return z, head(z) if head else model.classify(x.to(device))

    return over_items(both, items, rows, places_of(model))


def last_layer_inputs(network, items, rows):
    """Inputs (N, F) of the last linear layer of a classifier, such as a run's baseline: its own latent space."""
    device, seen = device_of(network), []
    last = [part for part in network.modules() if isinstance(part, nn.Linear)][-1]
    hook = last.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    try:
        return over_items(lambda x: (network(x.to(device)), seen.pop())[1], items, rows)
    finally:
        hook.remove()


def relative_positions(z, direction):
    """Where codes z (N, D) lie along a direction, 0 to 1 from the 1st to the 99th percentile: (N,)."""
    along = z @ direction
    low, high = np.percentile(along, [1, 99])
    return np.clip((along - low) / max(high - low, 1e-12), 0, 1)
