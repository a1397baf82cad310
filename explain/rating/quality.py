"""How good are explanations? Every method a row, every measure of `explain.rating.metrics` a column."""

import io
import time
import warnings
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from xaae.experiment.errors import InputError
from xaae.explain.call import explain
from xaae.explain.method import METHODS, Refusal, find_method
from xaae.explain.network.subject import Subject, asking
from xaae.explain.rating.metrics import METRICS, Effort, RatedCase, rate_case

CHANCE = "(random map)"


@dataclass(frozen=True)
class Quality:
    """What was found. values: a row for each (method, item), a column for each metric. reasons: a row a method, why a
    number is missing, "" where none is. seconds: of each method. mask_share: mean part of an item that its mask covers,
    which is what chance reaches in localisation; NaN without masks.
    """

    values: pd.DataFrame
    reasons: pd.DataFrame
    seconds: pd.Series
    mask_share: float

    @property
    def means(self):
        """A row a method, a column a metric: the mean over the items for which it is defined."""
        return self.values.groupby(level="method", sort=False).mean()

    @property
    def errors(self):
        """The standard errors of `means`; NaN for one item."""
        return self.values.groupby(level="method", sort=False).sem()


def relevance(maps, shows="signed"):
    """One value for each place (B, 1, ...) of maps (B, C, ...): their sum over channels, of absolute values where only
    size counts. Each item is scaled to a largest absolute value of 1; a map of zeros stays.
    """
    maps = np.asarray(maps, dtype=float)
    maps = (abs(maps) if shows == "size" else maps).sum(1, keepdims=True)
    most = abs(maps).max(tuple(range(1, maps.ndim)), keepdims=True)
    return maps / np.where(most > 0, most, 1)


def rate_methods(
    model,
    x,
    methods=(),
    target=None,
    masks=None,
    *,
    classes=None,
    background=None,
    parameters=None,
    maps=None,
    metrics=None,
    seed=0,
    batch_size=32,
    **effort,
):
    """Judge explanations of why `model` gives items x (B, C, ...) their scores: a Quality.

    model, target, classes, background, seed, batch_size: as for `explain`. methods: names in explain.method.METHODS.
    parameters: {method: {its parameter: value}}. masks (B, 1, ...): where the object is, empty for items that have
    none. maps: {any name: (B, C or 1, ...)} signed maps made elsewhere, judged as far as that goes without asking
    again. metrics: names in METRICS, all by default. effort: fields of Effort. A last row shows what a random map gets.
    What fails for one method or metric leaves a NaN and its reason, and the rest goes on. InputError for names that do
    not exist, for shapes that do not fit, and if quantus is missing.
    """
    parameters, maps, chosen = parameters or {}, maps or {}, _check(methods, parameters or {}, metrics)
    named = model if isinstance(model, Subject) else Subject(model, x, classes)
    x, subject = x.detach().cpu().float(), Subject(named.network, x)  # without names: targets are numbers from here on
    target, masks, effort = named.targets(x, target).cpu().numpy(), _as_masks(masks, x), Effort(**effort)
    given = {"background": background, "seed": seed, "batch_size": batch_size}
    rows = {name: _asker(name, subject, given | parameters.get(name, {})) for name in methods}
    rows |= {name: _fixed(each, x) for name, each in maps.items()}
    rows[CHANCE] = _fixed(np.random.default_rng(seed).standard_normal((len(x), 1, *x.shape[2:])), x)
    case = RatedCase(subject, x.numpy(), target, None, masks, None, effort, seed)
    bar = tqdm(rows.items(), "judging", leave=False, disable=None)
    found = {name: _assess(case, again, name in methods, chosen, batch_size) for name, again in bar}
    return gather_ratings(found, list(chosen), masks)


def _check(methods, parameters, metrics):
    """The metrics to use, {name: Metric}. InputError for a method, parameter or metric that there is not."""
    for name in {*methods, *parameters}:
        find_method(name).check(parameters.get(name, {}))
    if odd := [name for name in metrics or () if name not in METRICS]:
        raise InputError(f"There is no metric {odd[0]!r}: choose from {', '.join(METRICS)}.")
    rate_case("Sparseness")  # is quantus there?
    return {name: m for name, m in METRICS.items() if metrics is None or name in metrics}


def _as_masks(masks, x):
    """Masks as a boolean array (B, 1, ...), None if all are empty. InputError if they do not fit items x."""
    if masks is None:
        return None
    masks = np.asarray(masks).astype(bool)
    if masks.shape != (len(x), 1, *x.shape[2:]):
        raise InputError(f"Masks of shape {masks.shape} do not fit items of shape {tuple(x.shape)}: give (B, 1, ...).")
    return masks if masks.any() else None


def _asker(name, subject, given):
    """network, x (B, C, ...), target (B,) -> relevance (B, 1, ...) by a method of the registry."""

    def again(network, x, target):
        if METHODS[name].shows == "picture":
            raise Refusal("its map is a picture, not an attribution")
        x = torch.from_numpy(x).float()
        asked = subject if network is subject.network else Subject(network, x)
        return relevance(explain(asked, x, name, torch.from_numpy(target), **given), METHODS[name].shows)

    return again


def _fixed(maps, x):
    """The same for a map (B, C or 1, ...) made elsewhere. InputError if it does not fit items x."""
    maps = np.asarray(maps.detach().cpu() if torch.is_tensor(maps) else maps)
    if maps.shape not in (tuple(x.shape), (len(x), 1, *x.shape[2:])):
        raise InputError(f"Maps of shape {maps.shape} do not fit items of shape {tuple(x.shape)}.")
    return lambda network, x, target: relevance(maps)


def _assess(case, again, repeatable, chosen, batch_size):
    """One method: (values (B, metrics), reasons (metrics), seconds)."""
    began = time.perf_counter()
    n = len(case.x)
    maps, why = _attempt(lambda: again(case.subject.network, case.x, case.target))
    if why:
        return np.full((n, len(chosen)), np.nan), [why] * len(chosen), time.perf_counter() - began
    case = replace(case, maps=maps, again=again if repeatable else None)
    parts = [case.part(slice(i, i + batch_size)) for i in range(0, n, batch_size)]
    both = [_attempt(lambda m=m: np.concatenate([_judged(m, part) for part in parts])) for m in chosen.values()]
    values = np.stack([np.full(n, np.nan) if why else found for found, why in both], 1)
    reasons = [why or _undefined(found) for found, why in both]
    return values, reasons, time.perf_counter() - began


def _judged(metric, part):
    """One metric's values (B,) for a part of the items; all that it draws is settled by the seed alone."""
    with _quiet(), asking(part.subject.network, part.seed):
        found = np.array(metric.score(part), dtype=float)
    return np.where(np.isfinite(found), found, np.nan)


@contextmanager
def _quiet():
    """quantus prints and warns a lot."""
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _attempt(function):
    """(what the function returns, "") or (None, why it failed)."""
    try:
        return function(), ""
    except InputError as e:
        return None, str(e)
    except Exception as e:  # methods and quantus can raise anything; the others shall go on
        return None, f"{type(e).__name__}: {' '.join(str(e).split())[:150]}"


def _undefined(values):
    """ "" or for how many items there is no number."""
    odd = int(np.isnan(values).sum())
    return f"undefined for {odd} of {len(values)} items" if odd else ""


def gather_ratings(found, columns, masks):
    """What `assess` found for each method, {name: (values, reasons, seconds)}, as a Quality."""
    frames = {name: pd.DataFrame(values, columns=columns) for name, (values, _, _) in found.items()}
    reasons = pd.DataFrame({name: why for name, (_, why, _) in found.items()}, index=columns).T
    seconds = pd.Series({name: taken for name, (_, _, taken) in found.items()}, name="seconds")
    has = np.zeros(0) if masks is None else masks[masks.reshape(len(masks), -1).any(1)]
    share = float(has.mean()) if has.size else float("nan")
    return Quality(pd.concat(frames, names=["method", "item"]), reasons, seconds, share)
