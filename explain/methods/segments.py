"""Items cut into segments: superpixels of pictures, supervoxels of volumes, windows of signals."""

import math

import numpy as np
import torch

from xaae.experiment.errors import InputError
from xaae.explain.method import Refusal

LEAST_PLACES = 4  # in a segment, unless every place is asked for: hiding single ones tells little and takes for ever


def split(x, segments=40):
    """Labels (B, 1, *places), long, from 0, of the segments of items x (B, C, *places); the same at every call.

    segments: about how many; at least 4 of a picture and 8 of a volume, never more than one for 4 places, so that
    small items get fewer. "places": every place for itself. Pictures and volumes are cut by SLIC (Achanta et al. 2012,
    doi 10.1109/TPAMI.2012.120), each along its own edges; signals into windows of equal length.
    InputError for a number below 2, Refusal for items without places or with more than 3 dimensions.
    """
    places = tuple(x.shape[2:])
    if not 1 <= len(places) <= 3:
        raise Refusal("it hides segments of signals, pictures and volumes, and the input is none of these")
    if segments == "places":
        return _windows(x, math.prod(places)).view(len(x), 1, *places)
    n = _limited(segments, math.prod(places))
    if len(places) == 1:
        return _windows(x, n)
    found = [_superpixels(item, n) for item in x.detach().double().cpu().numpy()]
    return torch.from_numpy(np.stack(found))[:, None].to(x.device)


def _limited(segments, places):
    """How many segments an item of that many places gets."""
    if isinstance(segments, str) or segments < 2 or segments != int(segments):
        raise InputError(f'segments={segments!r} makes no sense: give a whole number from 2 on, or "places".')
    return min(int(segments), max(2, places // LEAST_PLACES))


def _windows(x, n):
    """Labels (B, 1, places) of n windows of equal length over all places of x, one after the other."""
    places = math.prod(x.shape[2:])
    return (torch.arange(places, device=x.device) * n // places).expand(len(x), 1, places).contiguous()


def _superpixels(item, n):
    """Labels (*places) of about n segments of one picture or volume (C, *places).

    SLIC in its self-tuning form, which weighs nearness against likeness for each segment: noise, too, comes out in
    segments of about one size. Three channels are compared as colours are by the eye (Lab, whose values go to 100),
    others as they are (brought to 0..1): hence the two weights to start from.
    """
    from skimage.segmentation import slic

    picture, axis = (item[0], None) if len(item) == 1 else (np.moveaxis(item, 0, -1), -1)
    near = 10 if len(item) == 3 else 0.1
    n = max(n, 2 ** len(item.shape[1:]))  # it starts from a grid: fewer than two a side would be one segment
    labels = slic(picture, n, near, slic_zero=True, start_label=0, channel_axis=axis)
    found = np.unique(labels, return_inverse=True)[1].reshape(item.shape[1:])
    return found.astype(np.int64)


def sizes(labels):
    """How many places the segment of each place has: (B, 1, *places) of labels (B, 1, *places)."""
    flat = labels.flatten(1)
    counts = torch.zeros(len(flat), int(flat.max()) + 1, device=labels.device)
    return counts.scatter_add(1, flat, torch.ones_like(flat, dtype=counts.dtype)).gather(1, flat).view(labels.shape)
