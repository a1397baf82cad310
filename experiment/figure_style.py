"""How figures look and how their texts are read, for the function that draws one; nothing is changed outside of it."""

from functools import wraps

import matplotlib as mpl
import seaborn as sns

PLAIN = {"text.parse_math": False}  # a class may be called "$0-$50": that is no formula


def literal(draw):
    """The same drawing function, inside which every text is drawn as it stands."""
    return _within(draw, lambda: PLAIN)


def styled(draw):
    """The same as `literal`, with the project's style as well."""
    return _within(draw, lambda: sns.axes_style("ticks") | sns.plotting_context("paper") | PLAIN)


def _within(draw, settings):
    """A drawing function inside matplotlib's settings() of that moment."""

    @wraps(draw)
    def drawn(*args, **kwargs):
        with mpl.rc_context(settings()):
            return draw(*args, **kwargs)

    return drawn
