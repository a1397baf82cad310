"""Grad-CAM (Selvaraju et al. 2017) of the baseline at several values of the planted factor."""

import numpy as np
import torch

from xaae.explain.methods.cams import gradcam
from xaae.explain.network.subject import Ask, Subject


def over_values(network, x, target, grid, plant):
    """Pictures (S, A, C, H, W), heat (S, A, H, W) and probabilities (S, A, K) of x (S, C, H, W) at each grid value.

    The heat is >= 0 and not normalised, of the deepest layer with at least 4 cells a side: the last stage of a ResNet
    halves 224 pixels five times to 7 x 7; of a small picture it leaves 2 x 2, which locates nothing.
    """
    turned = torch.stack([plant(x, torch.full((len(x),), float(a))) for a in grid], 1)
    subject = Subject(network, turned.flatten(0, 1))
    flat = turned.flatten(0, 1).to(subject.device)
    maps = gradcam(Ask(subject, flat, subject.targets(flat, np.repeat(target, len(grid)))))[:, 0]
    with torch.inference_mode():
        probability = network(flat).softmax(-1).float().cpu().numpy()
    shape = turned.shape[:2]
    heat = maps.detach().cpu().numpy()
    return turned.numpy(), heat.reshape(*shape, *heat.shape[1:]), probability.reshape(*shape, -1)


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
