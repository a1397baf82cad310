"""How figures look: seaborn's ticks style for the function that draws one, and nothing changed outside of it."""

from functools import wraps

import matplotlib as mpl
import seaborn as sns

PLAIN = {"text.parse_math": False}  # a class may be called "$0-$50": that is no formula


def styled(draw):
    """The same drawing function, inside which figures have the project's style."""

    @wraps(draw)
    def drawn(*args, **kwargs):
        with mpl.rc_context(sns.axes_style("ticks") | sns.plotting_context("paper") | PLAIN):
            return draw(*args, **kwargs)

    return drawn
