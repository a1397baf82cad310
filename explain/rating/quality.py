"""How good are explanations? A table with a row for each method and a column for each metric of `rating.metrics`."""

import io
import time
import warnings
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from xaae.experiment.errors import InputError
from xaae.explain.call import explain
from xaae.explain.method import METHODS, Refusal, find_method
from xaae.explain.network.subject import Subject, asking
from xaae.explain.rating.metrics import METRICS, Effort, RatedCase, quantus_metric

CHANCE = "(random map)"


@dataclass(frozen=True)
class Quality:
    """The ratings of several methods.

    values: a row for each (method, item), a column for each metric. reasons: a row for each method, why a number is
    missing, "" where none is. seconds: of each method. mask_share: mean part of an item that its mask covers, which is
    what a random map reaches in localisation; NaN without masks.
    """

    values: pd.DataFrame
    reasons: pd.DataFrame
    seconds: pd.Series
    mask_share: float

    @property
    def means(self):
        """A row for each method, a column for each metric: the mean over the items for which it is defined."""
        return self.values.groupby(level="method", sort=False).mean()

    @property
    def errors(self):
        """The standard errors of `means`; NaN if there is one item."""
        return self.values.groupby(level="method", sort=False).sem()


def relevance(maps, shows="signed"):
    """One value for each place (B, 1, *places) of maps (B, C, *places): their sum over channels.

    Where only their size counts (shows="size"), absolute values are summed. Each map is divided by its largest absolute
    value; a map of zeros stays.
    """
    maps = np.asarray(maps, dtype=float)
    maps = (abs(maps) if shows == "size" else maps).sum(1, keepdims=True)
    largest = abs(maps).max(tuple(range(1, maps.ndim)), keepdims=True)
    return maps / np.where(largest > 0, largest, 1)


def rate_methods(model, x, methods=(), target=None, masks=None, *, maps=None, metrics=None, **options):
    """Rate explanations of why `model` gives items x (B, C, *places) their scores: a Quality.

    model, target: as for `explain`. methods: names in METHODS. masks (B, 1, *places): where the object is; empty for
    items whose object is unknown. maps: {any name: (B, C or 1, *places)}, signed maps that were made elsewhere; metrics
    that run the method again are left out for them. metrics: names in METRICS, all by default. options: parameters
    ({method: {parameter: value}}); classes, background, seed and batch_size, as for `explain`; the fields of Effort.
    The last row rates a random map. If a method or a metric fails, its numbers are NaN, `reasons` says why, and the
    rest goes on. InputError for names that do not exist, for shapes that do not fit, and if quantus is missing.
    """
    effort, parameters, classes = _split_options(options)
    chosen = _check(methods, parameters, metrics)
    named = model if isinstance(model, Subject) else Subject(model, x, classes)
    x, subject = x.detach().cpu().float(), Subject(named.network, x)  # without names: targets are numbers from here on
    target, masks, seed = named.targets(x, target).cpu().numpy(), _as_masks(masks, x), options["seed"]
    explainers = {name: _explainer(name, subject, options | parameters.get(name, {})) for name in methods}
    explainers |= {name: _fixed_map(each, x) for name, each in (maps or {}).items()}
    explainers[CHANCE] = _fixed_map(np.random.default_rng(seed).standard_normal((len(x), 1, *x.shape[2:])), x)
    case = RatedCase(subject, x.numpy(), target, None, masks, None, effort, seed)
    bar = tqdm(explainers.items(), "rating", leave=False, disable=None)
    rated = {name: _rate(case, again, name in methods, chosen, options["batch_size"]) for name, again in bar}
    return _gather(rated, list(chosen), masks)


def _split_options(options):
    """(Effort, parameters, classes), taken out of the options of `rate_methods`; what is left is for `explain`.

    InputError for an option that does not exist.
    """
    effort = Effort(**{f.name: options.pop(f.name) for f in fields(Effort) if f.name in options})
    parameters, classes = options.pop("parameters", None) or {}, options.pop("classes", None)
    if unknown := set(options) - {"background", "seed", "batch_size"}:
        raise InputError(f"There is no option {min(unknown)!r} of a rating.")
    options |= {"seed": options.get("seed", 0), "batch_size": options.get("batch_size", 32)}
    return effort, parameters, classes


def _check(methods, parameters, metrics):
    """The metrics to use, {name: Metric}. InputError for methods, parameters and metrics that do not exist."""
    for name in {*methods, *parameters}:
        find_method(name).check(parameters.get(name, {}))
    if unknown := [name for name in metrics or () if name not in METRICS]:
        raise InputError(f"There is no metric {unknown[0]!r}: choose from {', '.join(METRICS)}.")
    quantus_metric("Sparseness")  # raises InputError if quantus is missing
    return {name: m for name, m in METRICS.items() if metrics is None or name in metrics}


def _as_masks(masks, x):
    """Masks as a boolean array (B, 1, *places), None if all are empty. InputError if they do not fit items x."""
    if masks is None:
        return None
    masks = np.asarray(masks).astype(bool)
    if masks.shape != (len(x), 1, *x.shape[2:]):
        raise InputError(f"Masks of shape {masks.shape} do not fit items of shape {tuple(x.shape)}: give (B, 1, ...).")
    return masks if masks.any() else None


def _explainer(name, subject, options):
    """The function (network, x (B, C, *places), target (B,)) -> relevance (B, 1, *places) of a method."""

    def again(network, x, target):
        if METHODS[name].shows == "picture":
            raise Refusal("its map is a picture, not an attribution")
        x = torch.from_numpy(x).float()
        explained = subject if network is subject.network else Subject(network, x)
        return relevance(explain(explained, x, name, torch.from_numpy(target), **options), METHODS[name].shows)

    return again


def _fixed_map(maps, x):
    """The same function for maps (B, C or 1, *places) made elsewhere. InputError if they do not fit items x."""
    maps = np.asarray(maps.detach().cpu() if torch.is_tensor(maps) else maps)
    if maps.shape not in (tuple(x.shape), (len(x), 1, *x.shape[2:])):
        raise InputError(f"Maps of shape {maps.shape} do not fit items of shape {tuple(x.shape)}.")
    return lambda network, x, target: relevance(maps)


def _rate(case, again, repeatable, chosen, batch_size):
    """The rating of one method: (values (B, metrics), a reason for each metric, seconds).

    again: the method's function. repeatable: may metrics call it again?
    """
    began, n = time.perf_counter(), len(case.x)
    maps, reason = _attempt(lambda: again(case.subject.network, case.x, case.target))
    if reason:
        return np.full((n, len(chosen)), np.nan), [reason] * len(chosen), time.perf_counter() - began
    case = replace(case, maps=maps, again=again if repeatable else None)
    parts = [case.part(slice(i, i + batch_size)) for i in range(0, n, batch_size)]
    attempts = [_attempt(lambda m=m: np.concatenate([_score(m, part) for part in parts])) for m in chosen.values()]
    values = np.stack([np.full(n, np.nan) if reason else scores for scores, reason in attempts], 1)
    reasons = [reason or _undefined_in_words(scores) for scores, reason in attempts]
    return values, reasons, time.perf_counter() - began


def _score(metric, part):
    """A metric's values (B,) for a part of the items; random numbers depend on the seed alone."""
    with _quiet(), asking(part.subject.network, part.seed):
        scores = np.array(metric.score(part), dtype=float)
    return np.where(np.isfinite(scores), scores, np.nan)


@contextmanager
def _quiet():
    """A context without output and warnings: quantus has many of both."""
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _attempt(function):
    """(what the function returns, "") or (None, the reason why it failed)."""
    try:
        return function(), ""
    except InputError as e:
        return None, str(e)
    except Exception as e:  # methods and quantus can raise anything, and the other ratings go on
        return None, f"{type(e).__name__}: {' '.join(str(e).split())[:150]}"


def _undefined_in_words(values):
    """For how many items there is no number; "" if there is one for each."""
    undefined = int(np.isnan(values).sum())
    return f"undefined for {undefined} of {len(values)} items" if undefined else ""


def _gather(rated, columns, masks):
    """The ratings of all methods, {name: (values, reasons, seconds)}, as a Quality."""
    frames = {name: pd.DataFrame(values, columns=columns) for name, (values, _, _) in rated.items()}
    reasons = pd.DataFrame({name: reasons for name, (_, reasons, _) in rated.items()}, index=columns).T
    seconds = pd.Series({name: taken for name, (_, _, taken) in rated.items()}, name="seconds")
    not_empty = np.zeros(0) if masks is None else masks[masks.reshape(len(masks), -1).any(1)]
    share = float(not_empty.mean()) if not_empty.size else float("nan")
    return Quality(pd.concat(frames, names=["method", "item"]), reasons, seconds, share)
