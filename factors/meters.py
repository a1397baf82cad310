"""The registry of meters: which quantities can be read off the items of each kind."""

from xaae.experiment.kinds import PICTURE
from xaae.factors.photometry import PICTURE_METERS

METERS_BY_KIND = {"signal": {}, "picture": PICTURE_METERS, "volume": {}}  # kind -> its meters by name
METERS = {name: meter for meters in METERS_BY_KIND.values() for name, meter in meters.items()}


def meters_for(channels, kind=PICTURE):
    """The meters that make sense for items of a kind with so many channels: {name: Meter}."""
    return {name: meter for name, meter in METERS_BY_KIND[kind.name].items() if channels >= 3 or not meter.needs_colour}
