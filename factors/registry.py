"""The registry of factors: what can be planted in an item, and which meter reads it back. Needs no torch.

To add a factor: write the function that plants it (see `picture_plants`, `acquisition`, `signal_plants`,
`volume_plants`), the meter that reads it (see `photometry`, `acquisition`, `signal_meters`, `volume_meters`), and enter
it in FACTORS.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from operator import neg

from xaae.experiment.errors import InputError
from xaae.experiment.kinds import KINDS, kind_of


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
    it. usual: the range that the scan asks about where nothing is planted and the meter only compares items with each
    other, so that the data cannot tell their own range. noun, sign and digits: how values are told. location: for a
    local factor, "module:name" of size -> (T,) or (size, size) bool, where it is. period: after which values repeat,
    None for a factor that has none. smooth: can a decoder plant it as its last step, because it is differentiable and
    the same for every item? softens: does it take away what is fine, whatever that was? opposite: the value that takes
    a value back, for factors that move places. kind: name of the kind of its items. others: names of further kinds
    whose items can have it -> {planter and location: as for these}; what is not named is the same. needs_rate: does the
    planter take the sampling rate too?
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
    usual: tuple | None = None
    location: str | Callable | None = None
    period: float | None = None
    smooth: bool = True
    softens: bool = False
    opposite: Callable | None = None
    kind: str = "picture"
    others: dict = field(default_factory=dict)
    needs_rate: bool = False

    def fits(self, kind):
        """Can items of a Kind have it?"""
        return kind.name == self.kind or kind.name in self.others

    def _for(self, kind, name):
        """The function that the field `name` refers to, for items of a Kind."""
        return function_named(self.others.get(kind.name, {}).get(name) or getattr(self, name))

    def plant(self, x, values, fill="zeros", rate=None):
        """Items x (B, C, *places) with the factor at `values` (B,). rate: Hz of signals, None if it is not known."""
        more = {"rate": rate} if self.needs_rate else {}
        return self._for(kind_of(x.shape), "planter")(x, values, fill, **more)

    @property
    def is_local(self):
        """Is it at one place of the item?"""
        return self.location is not None

    def place(self, size, kind=None):
        """Where a local factor is in items of `size`: (T,), (size, size) or (size, size, size) bool.

        kind: of the items, None for the factor's first. None for a global factor.
        """
        return self._for(kind or KINDS[self.kind], "location")(size) if self.is_local else None

    def about(self):
        """Everything but the functions, ready for JSON."""
        return {key: value for key, value in asdict(self).items() if key not in FUNCTIONS}


FUNCTIONS = ("planter", "location", "opposite", "others")  # fields of a Factor that JSON cannot hold
OF_SIDE = "% of the side"
AS_IN_PICTURES = {"volume": {}}  # kind -> in what a factor of pictures differs there
ROTATION = Factor(
    "rotation",
    "picture_plants:rotate",
    "degrees",
    (0, 180),
    (-360, 360),
    "rotation",
    "angle",
    "\u00b0",
    0,
    usual=(-10, 10),
    period=360,
    opposite=neg,
    others={"volume": {"planter": "volume_plants:rotate_slices"}},
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
    others=AS_IN_PICTURES,
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
CONTRAST = Factor(
    "contrast",
    "picture_plants:stretch_contrast",
    "of its contrast",
    (-0.7, 0.7),
    (-0.95, 3),
    "contrast",
    "change of contrast",
    gap=0.36,
    others=AS_IN_PICTURES,
)
BLUR = Factor(
    "blur",
    "picture_plants:blur",
    OF_SIDE,
    (0, 10),
    (0, 20),
    "sharpness",
    "blur",
    "\u202f%",
    1,
    gap=0.6,
    softens=True,
    others={"volume": {"planter": "volume_plants:blur_volume"}},
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
    others={"volume": {"planter": "volume_plants:plant_cube", "location": "volume_plants:tagged_voxels"}},
)
SHARPENING = Factor(
    "sharpening", "acquisition:sharpen", "of unsharp masking", (0, 3), (0, 6), "sharpness", "sharpening", gap=0.6
)
NOISE = Factor(
    "noise",
    "acquisition:add_noise",
    "% of full scale",
    (0, 12),
    (0, 50),
    "noise",
    "noise",
    "\u202f%",
    1,
    gap=0.6,
    smooth=False,
    others=AS_IN_PICTURES,
)
JPEG = Factor(
    "jpeg",
    "acquisition:compress",
    "of JPEG quality",
    (5, 95),
    (1, 100),
    "blockiness",
    "JPEG quality",
    digits=0,
    neutral=100.0,
    gap=0.6,
    smooth=False,
)
ZOOM = Factor(
    "zoom",
    "picture_plants:zoom",
    "% of the size",
    (-20, 25),
    (-60, 150),
    "scale",
    "zoom",
    "\u202f%",
    0,
    gap=0.36,
    usual=(-10, 10),
    opposite=lambda percent: -100 * percent / (100 + percent),
)
SHIFT_X = Factor(
    "shift_x",
    "picture_plants:shift_right",
    OF_SIDE,
    (-10, 10),
    (-45, 45),
    "x",
    "shift to the right",
    "\u202f%",
    0,
    gap=0.36,
    usual=(-5, 5),
    opposite=neg,
)
SHIFT_Y = replace(SHIFT_X, name="shift_y", planter="picture_plants:shift_up", meter="y", noun="shift up")
BORDER = Factor(
    "border", "acquisition:frame_black", OF_SIDE, (0, 12), (0, 45), "border", "black border", "\u202f%", 0, gap=0.6
)
OF_RANGE, OF_WINDOW = "% of the range", "% of the window"
HUM = Factor("hum", "signal_plants:add_hum", OF_RANGE, (0, 15), (-50, 50), "hum", "mains hum", "\u202f%", 1, gap=0.6,
             kind="signal", needs_rate=True)  # fmt: skip
DRIFT = replace(HUM, name="drift", planter="signal_plants:add_drift", whole=(-20, 20), allowed=(-80, 80), meter="drift",
                noun="drift of the baseline", gap=0.36)  # fmt: skip
OFFSET = replace(DRIFT, name="offset", planter="signal_plants:add_offset", whole=(-12, 12), meter="level",
                 noun="offset of the baseline", needs_rate=False)  # fmt: skip
GAIN = replace(OFFSET, name="gain", planter="signal_plants:amplify", unit="% of the amplitude", whole=(-50, 50),
               allowed=(-95, 300), meter="amplitude", noun="change of the amplitude", digits=0)  # fmt: skip
SPIKE = replace(HUM, name="spike", planter="signal_plants:add_spike", whole=(0, 40), allowed=(-100, 100), meter="spike",
                noun="spike", location="signal_plants:spike_place", needs_rate=False)  # fmt: skip
NOISE_FLOOR = replace(HUM, name="noise_floor", planter="signal_plants:add_noise_floor", whole=(0, 6), allowed=(0, 50),
                      meter="noise_floor", noun="noise floor", smooth=False, needs_rate=False)  # fmt: skip
POLARITY = Factor("polarity", "signal_plants:flip_polarity", "of the sign", (-1, 1), (-1, 1), "polarity", "polarity",
                  neutral=1.0, smooth=False, kind="signal")  # fmt: skip
DELAY = Factor("shift", "signal_plants:delay", OF_WINDOW, (-10, 10), (-45, 45), "lag", "delay", "\u202f%", 1, gap=0.36,
               usual=(-5, 5), opposite=neg, kind="signal")  # fmt: skip
STRETCH = replace(DELAY, name="stretch", planter="signal_plants:stretch_time", unit="% of the duration",
                  whole=(-20, 25), allowed=(-60, 150), meter="rate", noun="stretch in time", usual=None, digits=0,
                  opposite=ZOOM.opposite)  # fmt: skip
LIGHT, FILE, FRAME = (BRIGHTNESS, CONTRAST, TINT), (BLUR, SHARPENING, NOISE, JPEG), (ZOOM, SHIFT_X, SHIFT_Y)
OF_PICTURES = (ROTATION, *LIGHT, *FILE, *FRAME, BORDER, TAG)
OF_SIGNALS = (HUM, DRIFT, DELAY, POLARITY, SPIKE, OFFSET, GAIN, NOISE_FLOOR, STRETCH)
FACTORS = {factor.name: factor for factor in (*OF_PICTURES, *OF_SIGNALS)}


def check_factors(names):
    """The names of factors, as they were given. InputError for one that does not exist."""
    if unknown := [name for name in names if name not in FACTORS]:
        raise InputError(f"There is no factor {unknown[0]!r}: choose from {', '.join(FACTORS)}.")
    return names


def factors_for(kind, channels):
    """Names of the factors that can be planted in items of a Kind with so many channels."""
    return [f.name for f in FACTORS.values() if f.fits(kind) and (channels >= 3 or not f.needs_colour)]
