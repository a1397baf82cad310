"""The kinds of items: signal (C, T), picture (C, H, W), volume (C, D, H, W).

A kind says only what it is. Each room that does something different for each kind (layers, readers, factors, meters,
drawing) keeps its choice in a dict by the kind's name; everything else is written for (B, C, *places).
"""

from dataclasses import dataclass

from xaae.experiment.errors import InputError


@dataclass(frozen=True)
class Kind:
    """name: as in settings and files. plural: in sentences. axes: names of the dimensions after the channels."""

    name: str
    plural: str
    axes: tuple[str, ...]

    @property
    def places(self):
        """How many dimensions an item has after its channels."""
        return len(self.axes)


SIGNAL = Kind("signal", "signals", ("time",))
PICTURE = Kind("picture", "pictures", ("height", "width"))
VOLUME = Kind("volume", "volumes", ("depth", "height", "width"))
KINDS = {kind.name: kind for kind in (SIGNAL, PICTURE, VOLUME)}


def kind_in(saved):
    """The Kind of the items that a saved result (a dict) is about: its item_kind, which older results of pictures lack.

    KeyError for a kind that there is not.
    """
    return KINDS[saved.get("item_kind", PICTURE.name)]


def kind_of(shape):
    """The Kind of a batch of this shape (B, C, *places). InputError for a batch of no kind."""
    found = [kind for kind in KINDS.values() if kind.places == len(shape) - 2]
    if not found:
        raise InputError(
            f"A batch of shape {tuple(shape)} holds no signals, pictures or volumes: give (B, C, T), (B, C, H, W) or"
            " (B, C, D, H, W)."
        )
    return found[0]
