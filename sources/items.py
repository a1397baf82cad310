"""Items by row: `items[rows]` gives a batch (B, C, *places) of values in [0, 1], wherever the items come from."""

from typing import Protocol

import numpy as np
import torch

from xaae.experiment.kinds import Kind, kind_of
from xaae.sources import picture_files, signals, volumes
from xaae.sources.decoded_items import window_of_run


class Items(Protocol):
    """What every source of items offers. size: of an item along each axis, one number where all are alike."""

    kind: Kind
    channels: int
    size: int | tuple

    def __len__(self):
        """How many items there are."""

    def __getitem__(self, rows):
        """Items of the rows (B,) of the table that they were opened for: float (B, C, *places) in [0, 1]."""


class ArrayItems:
    """Items that are already one array (N, C, *places) of values in [0, 1]; its shape says of which kind they are."""

    def __init__(self, values):
        self.values = torch.as_tensor(np.asarray(values), dtype=torch.float32)
        self.kind, self.channels = kind_of(self.values.shape), self.values.shape[1]
        places = tuple(self.values.shape[2:])
        self.size = places[0] if len(set(places)) == 1 else places

    def __len__(self):
        return len(self.values)

    def __getitem__(self, rows):
        return self.values[torch.as_tensor(np.asarray(rows), dtype=torch.long)]


OPENERS = {  # kind -> what reads all files of a table
    "picture": picture_files.open_pictures,
    "signal": signals.open_signals,
    "volume": volumes.open_volumes,
}
LAZY = {  # kind -> items that are read when they are asked for
    "picture": picture_files.Pictures,
    "signal": signals.lazy_signals,
    "volume": volumes.lazy_volumes,
}
CACHED = {  # kind -> its items in the cache, None if they are not there; other kinds are read anew each time
    "picture": picture_files.cached_pictures,
    "signal": signals.cached_signals,
    "volume": volumes.cached_volumes,
}
CHANNELS = {  # kind -> files, labels -> how many channels they have
    "picture": picture_files.picture_channels,
    "signal": signals.signal_channels,
    "volume": volumes.volume_channels,
}
READING = {  # kind -> settings of a run -> options of its three readers
    "picture": window_of_run,
    "signal": signals.reading_of_signals,
    "volume": window_of_run,
}


def open_items(kind, table, size, channels, cache=None, **options):
    """Read the items of a table: (table of those that can be read, Items, table path and reason of the others).

    kind: a Kind. size: of an item along each axis. cache: the folder under which decoded items of large tables are
    kept, see `item_cache`; None to keep none. options: see the opener of the kind. InputError where too many items
    cannot be read.
    """
    options |= {"cache": cache} if kind.name in CACHED else {}
    return OPENERS[kind.name](table, size, channels, **options)


def lazy_items(kind, paths, size, channels, cache=None, **options):
    """Items that are in the cache, else those of files that are read each time they are asked for; nothing is checked
    now."""
    found = CACHED[kind.name](paths, size, channels, cache, **options) if cache and kind.name in CACHED else None
    return found or LAZY[kind.name](paths, size, channels, **options)


def reading_options(kind, settings):
    """How a run reads the files of its items: `options` of open_items, lazy_items and of path_lists.FILE_READERS.

    settings: the RunSettings that it is trained with, or later its RunConfig.
    """
    return READING[kind.name](settings)


def guess_channels(kind, paths, labels=None):
    """How many channels the items of these files have; labels: their classes, all of which are looked at."""
    return CHANNELS[kind.name](paths, labels)
