"""How large items may be, and which sizes an autoencoder meets between an item and its code."""

from xaae.experiment.errors import InputError
from xaae.experiment.kinds import PICTURE
from xaae.experiment.vocabulary import FIRST_STEPS

SIZES = {"signal": (16, 2**20), "picture": (16, 512), "volume": (8, 128)}  # smallest and largest along an axis
UNITS = {"signal": "samples", "picture": "pixels", "volume": "voxels"}  # kind -> what its places are called
THESIS_SIZES = (32, 128, 512)  # pixels of the thesis's architecture: 2 * 4^n
LARGE = 64  # pixels: larger pictures are quartered first, which takes a third of the time


def check_size(input_size, kind=PICTURE):
    """The places of an item of `kind` for `input_size`: one number for all axes, or one for each axis.

    InputError unless each is a size that the models are made for.
    """
    places = (input_size,) * kind.places if isinstance(input_size, int) else tuple(input_size)
    if len(places) != kind.places:
        raise InputError(f"The axes of a {kind.name} are {', '.join(kind.axes)}: give a size for each.")
    smallest, largest = SIZES[kind.name]
    if wrong := [size for size in places if not smallest <= size <= largest]:
        size = f"{wrong[0]} {UNITS[kind.name]}"
        raise InputError(f"An input size of {size} makes no sense here: choose one from {smallest} to {largest}.")
    return places


def check_thesis_size(input_size):
    """InputError unless the thesis's architecture makes pictures of so many pixels a side."""
    if input_size not in THESIS_SIZES:
        sizes = f"{', '.join(map(str, THESIS_SIZES[:-1]))} or {THESIS_SIZES[-1]}"
        raise InputError(f"The thesis's decoder makes pictures of {sizes} pixels, not {input_size}.")


def usual_first_step(kind, places):
    """By how much the first layer of an AAE shrinks each axis of items of a kind: 4 for large pictures, else 2."""
    return FIRST_STEPS[1] if kind == PICTURE and max(places) > LARGE else FIRST_STEPS[0]


def places_met(sizes, kind, first_step):
    """Those of `halvings` that an encoder meets: without the second of all where it quarters each axis first.

    InputError for a first step that items of this kind and size cannot have.
    """
    if first_step not in FIRST_STEPS or (first_step > FIRST_STEPS[0] and (kind != PICTURE or len(sizes) < 4)):
        raise InputError(
            f"A first step of {first_step} makes no sense here: choose {FIRST_STEPS[0]}, or, for pictures of more than"
            f" 16 pixels, {FIRST_STEPS[1]}."
        )
    return sizes if first_step == FIRST_STEPS[0] else [sizes[0], *sizes[2:]]


def halvings(places, smallest=4):
    """Places met when all axes are halved, rounded up, until none is above `smallest`: (28, 28), (14, 14), ..."""
    sizes = [tuple(places)]
    while max(sizes[-1]) > smallest:
        sizes.append(tuple((size + 1) // 2 if size > smallest else size for size in sizes[-1]))
    return sizes
