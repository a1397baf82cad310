"""The registry of meters: which quantities can be read off the items of each kind.

Those of walks read decoded frames; those of items alone read what a decoder does not draw, such as noise.
"""

from dataclasses import replace
from functools import partial

from xaae.experiment.kinds import PICTURE
from xaae.factors.acquisition import ACQUISITION_METERS
from xaae.factors.photometry import PICTURE_METERS
from xaae.factors.signal_meters import SIGNAL_ITEM_METERS, SIGNAL_METERS, SignalSight
from xaae.factors.volume_meters import VOLUME_ITEM_METERS, VOLUME_METERS

METERS_BY_KIND = {  # kind -> its meters by name
    "signal": SIGNAL_METERS,
    "picture": PICTURE_METERS,
    "volume": VOLUME_METERS,
}
METERS = METERS_BY_KIND[PICTURE.name]  # those of pictures
ITEM_METERS_BY_KIND = {  # kind -> meters that are read on items alone
    "signal": SIGNAL_ITEM_METERS,
    "picture": ACQUISITION_METERS,
    "volume": VOLUME_ITEM_METERS,
}


def meter_named(name, kind=PICTURE, rate=None):
    """The Meter of this name, of walks or of items alone, that reads items of a kind. KeyError if there is none.

    rate: samples a second of signals, None where it is not known.
    """
    meter = (METERS_BY_KIND[kind.name] | ITEM_METERS_BY_KIND[kind.name])[name]
    return _at_rate({name: meter}, rate)[name]


def meters_for(channels, kind=PICTURE, planted="", rate=None):
    """The meters of walks that make sense for items of a kind with so many channels: {name: Meter}.

    planted: name of a planted factor's meter, which is among them even if it reads items alone. rate: samples a second
    of signals, None where it is not known.
    """
    found = {
        name: meter for name, meter in METERS_BY_KIND[kind.name].items() if channels >= 3 or not meter.needs_colour
    }
    found |= {name: meter for name, meter in ITEM_METERS_BY_KIND[kind.name].items() if name == planted}
    return _at_rate(found, rate)


def _at_rate(meters, rate):
    """Meters that know the rate of the signals that they read; they share one sight still."""
    if rate is None:
        return meters
    sight = partial(SignalSight, rate=rate)
    return {n: replace(m, sight=sight) if m.sight is SignalSight else m for n, m in meters.items()}
