"""What the commands after `train` can be asked: frozen dataclasses with the commands' own defaults. Needs no torch."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class NavigationSettings:
    """What `navigate` is asked.

    of: the classifier that leads a walk: aae, baseline, or FILE.py:FUNCTION of the user's own; None for the AAE where
    specs ask for one, and for each of the run's models where they do not. specs: directions by name, the first the
    main one; () for all kinds, those that `of` leads first. contrast: "cat:dog" or "rest:dog"; "" for the first class
    to the last. away: directions to keep away from. against: navigated runs of the same data whose order of items is
    compared. pairs: table rows to interpolate between, along the arc if curved. maps: names of maps; () for the usual
    ones. films: of every walk, not of the main one alone. spacing: of the frames of walks, one of SPACINGS.
    counterfactuals: of how many held-out items. data_root: where the run's items are now, if they were moved.
    """

    of: str | None = None
    specs: tuple = ()
    contrast: str = ""
    away: tuple = ()
    against: tuple = ()
    pairs: tuple = ()
    curved: bool = False
    maps: tuple = ()
    films: bool = False
    spacing: str = "arc"
    counterfactuals: int = 64
    data_root: str | None = None


@dataclass(frozen=True, kw_only=True)
class ExplanationSettings:
    """What `explain` is asked.

    methods: names, kinds, labels of `config`, "quick" or "all". config: tables of methods of a TOML file. plugin: files
    with methods of the user's own. items: how many held-out items, or rows: which rows of items.csv. run: whose models
    explain a picture file. model: aae, baseline or both, network: FILE.py:FUNCTION of the user's own in their place.
    size: pixels a side of a picture file for such a network; window: how its values of more than 8 bits are scaled;
    both None for those of the run. target: predicted, true, a class's name or number. along: a latent direction whose
    position is explained instead. background: how many held-out items methods may compare
    with. workers: methods at once. time_limit: seconds, memory_limit: GiB, for each method. precision, seed: None for
    those of the run. out: the folder, None for `explanations/` of the run. data_root: where the run's items are now, if
    they were moved.
    """

    methods: tuple = ()
    config: tuple = ()
    plugin: tuple = ()
    items: int = 6
    rows: tuple = ()
    run: str | None = None
    model: str | None = None
    network: str | None = None
    size: int | None = None
    window: str | None = None
    target: str = "predicted"
    along: str | None = None
    background: int = 20
    workers: int | None = None
    time_limit: float = 120.0
    memory_limit: float | None = None
    precision: str | None = None
    seed: int | None = None
    out: str | None = None
    data_root: str | None = None


@dataclass(frozen=True, kw_only=True)
class TutorialSettings:
    """What `tutorial` is asked.

    picture: a file of the user's own to explain too. explainer: "deep" or "gradient". epochs: None for as many as show
    enough pictures. items: use at most so many. background: how many held-out items SHAP compares with. explained: how
    many held-out items are explained. out: the folder, None for a numbered one in runs/.
    """

    dataset: str = "auto"
    data_root: str | None = None
    picture: str | None = None
    explainer: str = "deep"
    epochs: int | None = None
    items: int | None = None
    background: int = 100
    explained: int = 4
    seed: int = 0
    out: str | None = None
    overwrite: bool = False


@dataclass(frozen=True, kw_only=True)
class ScanSettings:
    """What `scan` is asked.

    of: aae, baseline or both; network: FILE.py:FUNCTION of the user's own in their place. factors: names; () for all
    that the items can be given. ranges {factor: (low, high)}: asked about in place of what the data hold. items: how
    many held-out items, None for 200, or 60 in a smoke run. size: pixels a side of pictures for a network without a
    run; window: how their values of more than 8 bits are scaled, None for as the files say. seed, precision: None for
    those of the run. out: the folder, None for the run's own, or for a numbered one in runs/ without a run. data_root:
    where the run's items are now, if they were moved.
    """

    of: str | None = None
    network: str | None = None
    factors: tuple = ()
    ranges: dict | None = None
    items: int | None = None
    size: int | None = None
    window: str | None = None
    seed: int | None = None
    precision: str | None = None
    out: str | None = None
    data_root: str | None = None
