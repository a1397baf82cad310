"""The registry of factors: what can be planted in an item, and which meter reads it back. Needs no torch.

To add a factor: write the function that plants it (see `picture_plants`), the meter that reads it (see `photometry`),
and enter it in FACTORS.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module


def function_named(reference):
    """The function that "module:name" of this room names; a function stands for itself."""
    if callable(reference):
        return reference
    module, _, name = reference.partition(":")
    return getattr(import_module(f"xaae.factors.{module}"), name)


@dataclass(frozen=True)
class Factor:
    """What a bias can plant in the items of one kind.

    planter: "module:name" of this room, or a function, x (B, C, *places), values (B,), fill -> x. unit: of the values.
    whole: the range that the classes share out between them, of which `gap`, a share, stays empty between them.
    allowed: what --range accepts. neutral: the value that leaves an item as it is. meter: name of the meter that reads
    it. noun, sign and digits: how values are told. location: for a local factor, "module:name" of size -> (size, size)
    bool, where it is. kind: name of the kind of its items.
    """

    name: str
    planter: str | Callable
    unit: str
    whole: tuple
    allowed: tuple
    meter: str
    noun: str
    sign: str = ""
    digits: int = 2
    neutral: float = 0.0
    needs_colour: bool = False
    gap: float = 0.0
    location: str | Callable | None = None
    kind: str = "picture"

    def plant(self, x, values, fill="zeros"):
        """Items x (B, C, *places) with the factor at `values` (B,)."""
        return function_named(self.planter)(x, values, fill)

    @property
    def is_local(self):
        """Is it at one place of the item?"""
        return self.location is not None

    def place(self, size):
        """Where a local factor is in items of `size`: (size, size) bool; None for a global factor."""
        return function_named(self.location)(size) if self.is_local else None

    def about(self):
        """Everything but the functions, ready for JSON."""
        return {key: value for key, value in asdict(self).items() if key not in ("planter", "location")}


ROTATION = Factor(
    "rotation", "picture_plants:rotate", "degrees", (0, 180), (-360, 360), "rotation", "angle", "\u00b0", 0
)
BRIGHTNESS = Factor(
    "brightness",
    "picture_plants:brighten",
    "of the way to white",
    (-0.7, 0.7),
    (-0.95, 0.95),
    "luminance",
    "shift to white",
    gap=0.36,
)
TINT = Factor(
    "tint",
    "picture_plants:tint",
    "of red and blue",
    (-0.7, 0.7),
    (-0.95, 0.95),
    "warmth",
    "tint",
    needs_colour=True,
    gap=0.36,
)
BLUR = Factor(
    "blur", "picture_plants:blur", "% of the side", (0, 10), (0, 20), "sharpness", "blur", "\u202f%", 1, gap=0.6
)
TAG = Factor(
    "tag",
    "picture_plants:plant_tag",
    "of full opacity",
    (0, 1),
    (0, 1),
    "tag",
    "opacity of the tag",
    gap=0.6,
    location="picture_plants:corner",
)
FACTORS = {factor.name: factor for factor in (ROTATION, BRIGHTNESS, TINT, BLUR, TAG)}


def factors_for(kind, channels):
    """Names of the factors that can be planted in items of a Kind with so many channels."""
    return [f.name for f in FACTORS.values() if f.kind == kind.name and (channels >= 3 or not f.needs_colour)]
