"""A planted or measured quantity: its noun, its unit, and how its values and axes are written."""

from dataclasses import dataclass

import numpy as np

from xaae.experiment.amounts import counted
from xaae.report.shared.words import MISSING, fixed

SIGNS = {  # after a value, and its decimals
    "degrees": ("°", 0),
    "%": ("\u202f%", 0),
    "% of the side": ("\u202f%", 0),
    "% of the range": ("\u202f%", 1),
    "% of the window": ("\u202f%", 1),
}
ROTATION = {"name": "rotation", "unit": "degrees", "meter": "rotation", "noun": "angle", "sign": "°", "digits": 0}
METER_UNITS = {"rotation": "degrees", "sharpness": "octaves"}
METER_NOUNS = {
    "rotation": "angle",
    "rotation_network": "angle, read by a network",
    "scale": "size",
    "x": "place, left to right",
    "y": "place, bottom to top",
    "edge_darkness": "darkness of the corners",
}
PLURALS = {  # noun -> its plural, where the first word has no plain one
    "mains hum": "amounts of mains hum",
    "noise floor": "noise floors",
    "polarity": "polarities",
    "stretch in time": "stretches in time",
}
METER_CHANGES = {"rotation": "turn"}
ROUND = (15, 45, 90, 180)  # steps of an axis in degrees


@dataclass(frozen=True)
class Quantity:
    """noun: "angle". change: "turn", "change of luminance". unit: "degrees". sign: what follows a short value."""

    noun: str
    change: str
    unit: str
    sign: str
    digits: int

    @property
    def plural(self) -> str:
        """ "angles", "shifts to white"."""
        if self.noun in PLURALS:
            return PLURALS[self.noun]
        head, *rest = self.noun.split(" ", 1)
        return " ".join([head + "s", *rest])

    @property
    def scale(self) -> str:
        """The unit as an axis names it: "degrees", "share of full scale"."""
        return f"share {self.unit}" if self.unit.startswith("of ") else self.unit

    def long(self, value) -> str:
        """A value in a sentence: "88 degrees", "0.18 of full scale"."""
        text = fixed(value, self.digits)
        if text == MISSING:
            return MISSING
        return counted(text, self.unit).strip()

    def between(self, low, high) -> str:
        """A range in a sentence: "0 to 90 degrees"."""
        return f"{fixed(low, self.digits)} to {self.long(high)}"

    def short(self, value, extra_digits: int = 0) -> str:
        """A value on its own: "88°", "0.18"; `extra_digits` more decimals than usual."""
        text = fixed(value, self.digits + extra_digits)
        return text if text == MISSING else text + self.sign

    def signed(self, value) -> str:
        """A change on its own: "+88°", "−0.18"."""
        return ("+" if value is not None and round(value, self.digits) > 0 else "") + self.short(value)

    def ticks(self, ends: tuple[float, float]) -> list[float] | None:
        """Multiples of 15, 45, 90 or 180 degrees from `ends[0]` to `ends[1]`; None where any round numbers will do."""
        for step in ROUND if self.unit == "degrees" else ():
            ticks = np.arange(np.ceil(ends[0] / step), np.floor(ends[1] / step) + 1) * float(step)
            if 3 <= len(ticks) <= 7:
                return ticks.tolist()
        return None


def planted_quantity(about: dict | None) -> Quantity:
    """The planted quantity, from the entry "factor_about" of config.json; the angle where there is none."""
    about = {**ROTATION, **(about or {})}
    noun = about["noun"]
    return Quantity(noun, f"change of the {noun}", about["unit"], about["sign"] or "", int(about["digits"] or 0))


def meter_quantity(name: str | None, unit: str | None = None) -> Quantity:
    """The quantity that the meter `name` reads in `unit` (the meter's usual one if None)."""
    name = name or "rotation"
    unit = unit or METER_UNITS.get(name, "of full scale")
    noun = METER_NOUNS.get(name, name.replace("_", " "))
    return Quantity(noun, METER_CHANGES.get(name, f"change of {noun}"), unit, *SIGNS.get(unit, ("", 2)))
