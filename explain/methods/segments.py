"""Items cut into segments: superpixels of pictures, supervoxels of volumes, windows of signals."""

import math

import numpy as np
import torch

from xaae.experiment.errors import InputError
from xaae.experiment.kinds import kind_of
from xaae.explain.method import Refusal

LEAST_PLACES = 4  # in a segment, unless segments="places": hiding single places tells little and takes very long


def split(x, segments=40):
    """The segments of items x (B, C, *places): labels (B, 1, *places), long, from 0; the same at every call.

    segments: about how many. A picture has at least 4 and a volume at least 8, but there is never more than one for 4
    places, so that small items have fewer. "places": each place is a segment. Pictures and volumes are cut by SLIC
    (Achanta et al. 2012, doi 10.1109/TPAMI.2012.120), each item along its own edges; signals are cut into windows of
    equal length. InputError for a number below 2, Refusal for items that are no signals, pictures or volumes.
    """
    places = tuple(x.shape[2:])
    try:
        kind = kind_of(x.shape)
    except InputError as e:
        raise Refusal("it hides segments of signals, pictures and volumes, and the input is none of these") from e
    if segments == "places":
        return _windows(x, math.prod(places)).view(len(x), 1, *places)
    return SPLIT[kind.name](x, _limited(segments, math.prod(places)))


def _limited(segments, places):
    """How many segments an item with that many places has. InputError for a number that makes no sense."""
    if isinstance(segments, str) or segments < 2 or segments != int(segments):
        raise InputError(f'segments={segments!r} makes no sense: give a whole number from 2 on, or "places".')
    return min(int(segments), max(2, places // LEAST_PLACES))


def _windows(x, n):
    """Labels (B, 1, places) of n windows of equal length, over all places of x in their order."""
    places = math.prod(x.shape[2:])
    return (torch.arange(places, device=x.device) * n // places).expand(len(x), 1, places).contiguous()


def _superpixels(x, n):
    """Labels (B, 1, *places) of about n superpixels or supervoxels of each item."""
    labels = [_superpixels_of_item(item, n) for item in x.detach().double().cpu().numpy()]
    return torch.from_numpy(np.stack(labels))[:, None].to(x.device)


SPLIT = {"signal": _windows, "picture": _superpixels, "volume": _superpixels}  # kind -> how items are cut


def _superpixels_of_item(item, n):
    """Labels (*places) of about n segments of one picture or volume (C, *places).

    SLIC-zero, which adapts the weight of distance against similarity for each segment, so that noise is cut into
    segments of about equal size, too. Three channels are compared as colours (in Lab, with values up to 100), others as
    they are (scaled to 0..1): hence the two initial weights.
    """
    from skimage.segmentation import slic

    image, axis = (item[0], None) if len(item) == 1 else (np.moveaxis(item, 0, -1), -1)
    compactness = 10 if len(item) == 3 else 0.1
    n = max(n, 2 ** len(item.shape[1:]))  # SLIC starts from a grid; fewer than two cells a side would be one segment
    labels = slic(image, n, compactness, slic_zero=True, start_label=0, channel_axis=axis)
    numbered = np.unique(labels, return_inverse=True)[1].reshape(item.shape[1:])
    return numbered.astype(np.int64)


def sizes(labels):
    """The number of places in each place's segment: (B, 1, *places) of labels (B, 1, *places)."""
    flat = labels.flatten(1)
    counts = torch.zeros(len(flat), int(flat.max()) + 1, device=labels.device)
    return counts.scatter_add(1, flat, torch.ones_like(flat, dtype=counts.dtype)).gather(1, flat).view(labels.shape)
