"""What the commands after `train` can be asked: frozen dataclasses with the commands' own defaults. Needs no torch."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class NavigationSettings:
    """What `navigate` is asked.

    specs: directions by name, the first the main one; () for all kinds. contrast: "cat:dog" or "rest:dog"; "" for the
    first class to the last. away: directions to keep away from. against: navigated runs of the same data whose order of
    items is compared. pairs: table rows to interpolate between, along the arc if curved. maps: names of maps; () for
    those of the run's preset. films: of every walk, not of the main one alone. counterfactuals: of how many held-out
    items.
    """

    specs: tuple = ()
    contrast: str = ""
    away: tuple = ()
    against: tuple = ()
    pairs: tuple = ()
    curved: bool = False
    maps: tuple = ()
    films: bool = False
    counterfactuals: int = 100
