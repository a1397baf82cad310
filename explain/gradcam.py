"""Grad-CAM (Selvaraju et al. 2017) of the baseline, by captum, at several values of the planted factor."""

import numpy as np
import torch
from captum.attr import LayerAttribution, LayerGradCam


def target_layer(network, x, least=4):
    """The deepest stage of a `vision_learner` ResNet whose map of x (B, C, H, W) has at least `least` cells a side.

    The last stage halves 224 pixels five times to 7 x 7; of a small picture it leaves 2 x 2, which locates nothing.
    """
    stages = [stage for stage in network[0] if isinstance(stage, torch.nn.Sequential)]
    sides = {}
    hooks = [s.register_forward_hook(lambda m, _, out: sides.__setitem__(m, out.shape[-1])) for s in stages]
    with torch.inference_mode():
        network(x[:1])
    for hook in hooks:
        hook.remove()
    large = [stage for stage in stages if sides[stage] >= least]
    return (large or stages[:1])[-1]


def heat(network, x, target, layer):
    """Grad-CAM maps (B, H, W), >= 0 and not normalised, of pictures x (B, C, H, W) for classes target (B,)."""
    raw = LayerGradCam(network, layer).attribute(x, target=target, relu_attributions=True)
    return LayerAttribution.interpolate(raw, tuple(x.shape[-2:]), "bilinear")[:, 0].detach().cpu().numpy()


def over_values(network, x, target, grid, plant):
    """Pictures (S, A, C, H, W), heat (S, A, H, W) and probabilities (S, A, K) of x (S, C, H, W) at each grid value."""
    device = next(network.parameters()).device
    turned = torch.stack([plant(x, torch.full((len(x),), float(a))) for a in grid], 1)
    flat = turned.flatten(0, 1).to(device)
    layer = target_layer(network, flat)
    maps = heat(network, flat, torch.as_tensor(target, device=device).repeat_interleave(len(grid)), layer)
    with torch.inference_mode():
        probability = network(flat).softmax(-1).float().cpu().numpy()
    shape = turned.shape[:2]
    return turned.numpy(), maps.reshape(*shape, *maps.shape[1:]), probability.reshape(*shape, -1)


def unrotated_ncc(maps, grid, turn_back):
    """Mean correlation of each map (S, A, H, W), turned back by its angle, with the map at the first grid value.

    About 1: the heat only turned with the animal. `turn_back(x, degrees)` turns (B, C, H, W). NaN if no map has heat.
    """
    s, a = maps.shape[:2]
    back = turn_back(torch.from_numpy(maps).view(s * a, 1, *maps.shape[2:]), -torch.tensor(grid).repeat(s)).flatten(1)
    centred = (back - back.mean(1, keepdim=True)).view(s, a, -1).numpy()
    first = centred[:, :1]
    scale = np.sqrt((centred**2).sum(-1) * (first**2).sum(-1))
    ncc = (centred * first).sum(-1)[:, 1:] / np.where(scale > 0, scale, np.nan)[:, 1:]
    return float(np.nanmean(ncc)) if np.isfinite(ncc).any() else float("nan")
