"""The registry of meters: which quantities can be read off the items of each kind.

Those of walks read decoded frames; those of items alone read what a decoder does not draw, such as noise.
"""

from xaae.experiment.kinds import PICTURE
from xaae.factors.acquisition import ACQUISITION_METERS
from xaae.factors.photometry import PICTURE_METERS

METERS_BY_KIND = {"signal": {}, "picture": PICTURE_METERS, "volume": {}}  # kind -> its meters by name
METERS = {name: meter for meters in METERS_BY_KIND.values() for name, meter in meters.items()}
ITEM_METERS_BY_KIND = {"signal": {}, "picture": ACQUISITION_METERS, "volume": {}}  # kind -> read on items alone


def meter_named(name, kind=PICTURE):
    """The Meter of this name, of walks or of items alone, that reads items of a kind. KeyError if there is none."""
    return (METERS_BY_KIND[kind.name] | ITEM_METERS_BY_KIND[kind.name])[name]


def meters_for(channels, kind=PICTURE, planted=""):
    """The meters of walks that make sense for items of a kind with so many channels: {name: Meter}.

    planted: name of a planted factor's meter, which is among them even if it reads items alone.
    """
    found = {
        name: meter for name, meter in METERS_BY_KIND[kind.name].items() if channels >= 3 or not meter.needs_colour
    }
    return found | {name: meter for name, meter in ITEM_METERS_BY_KIND[kind.name].items() if name == planted}
