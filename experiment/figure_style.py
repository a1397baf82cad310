"""How figures look and how their texts are read, for the function that draws one.

Nothing is changed outside of it, but that matplotlib no longer warns of each letter that a font lacks.
"""

import warnings
from functools import cache, wraps

import matplotlib as mpl
import seaborn as sns
from matplotlib import font_manager
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text

from xaae.experiment.whole_file import whole_file

PLAIN = {"text.parse_math": False}  # a class may be called "$0-$50": that is no formula
NO_FONT = "Last Resort"  # its glyphs are boxes
# How PNGs are compressed: by runs alone (zlib's Z_RLE), in a quarter of the usual time, for files that are 2 % larger
QUICK = {"compress_level": 1, "compress_type": 3}
MISSING = "Glyph .* missing from"  # how matplotlib's warning of a letter begins that a font lacks
_SAID = set()  # letters of which it was said that no font has them


def literal(draw):
    """The same drawing function, inside which every text is drawn as it stands, in fonts that have its letters."""
    return _within(draw, lambda: PLAIN)


def styled(draw):
    """The same as `literal`, with the project's style as well."""
    return _within(draw, lambda: sns.axes_style("ticks") | sns.plotting_context("paper") | PLAIN)


def _within(draw, settings):
    """A drawing function inside matplotlib's settings() of that moment."""

    @wraps(draw)
    def drawn(*args, **kwargs):
        with mpl.rc_context(settings()), warnings.catch_warnings():
            warnings.filterwarnings("ignore", MISSING)  # fonts are found below
            figure = draw(*args, **kwargs)
        return give_fonts(figure) if isinstance(figure, Figure) else figure

    return drawn


def save_png(figure, path, **options):
    """Save a figure as a PNG, whole or not at all. options: those of `Figure.savefig`."""
    with whole_file(path) as part:
        figure.savefig(part, format="png", pil_kwargs=QUICK, **options)


# ---- fonts ------------------------------------------------------------------------------------------------------


def give_fonts(figure):
    """The same figure, its texts with letters that their font lacks given further fonts of this machine.

    Letters that no font here has are said once; a figure shows boxes for them.
    """
    warnings.filterwarnings("ignore", MISSING)  # of every letter each time that it is drawn
    without = set()
    for text in _texts(figure):
        further = {letter: font_with(letter) for letter in _lacking(text)}
        if fonts := dict.fromkeys(filter(None, further.values())):
            text.set_fontfamily([*text.get_fontfamily(), *fonts])
        without |= {letter for letter, font in further.items() if not font}
    if new := sorted(without - _SAID):
        print(
            f"No font of this machine has {' '.join(new)}: figures show boxes there, the page shows the letters;"
            " install a font that has them, such as Noto."
        )
        _SAID.update(new)
    return figure


def _texts(artist):
    """The texts of a figure. An axis that is not drawn is passed over: asked for its ticks, it would make them."""
    if isinstance(artist, Axis) and not (artist.axes.axison and artist.get_visible()):
        return
    if isinstance(artist, Text):
        yield artist
    for child in artist.get_children():
        yield from _texts(child)


def _lacking(text):
    """The letters of a text that its font lacks, in order and without repetition."""
    letters = {letter for letter in text.get_text() if letter > "\x7f" and letter.isprintable()}
    font = font_manager.findfont(text.get_fontproperties()) if letters else ""
    return sorted(letter for letter in letters if not _has(font, letter))


@cache
def font_with(letter):
    """The family of the first upright font of this machine that can draw a letter; "" if there is none."""
    fonts = (font for font in font_manager.fontManager.ttflist if not font.name.startswith(NO_FONT))
    return next((font.name for font in fonts if font.style == "normal" and _has(font.fname, letter)), "")


@cache
def _has(path, letter):
    """Can the font of a file draw a letter? Fonts made of pictures, such as those of coloured emoji, cannot."""
    try:
        font = font_manager.get_font(path)
        return bool(font.scalable and font.get_char_index(ord(letter)))
    except (OSError, RuntimeError):
        return False
