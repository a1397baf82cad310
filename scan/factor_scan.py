"""The scan of one classifier: every factor at a grid of values, and changes of the same size that no factor names."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from xaae.experiment.device import batches
from xaae.experiment.kinds import kind_of
from xaae.factors.registry import FACTORS
from xaae.scan.null_changes import NULL_CHANGES, pixel_distance
from xaae.scan.verdicts import (
    RULE,
    flip_p,
    flip_places,
    goes_over,
    is_plainly_unmoved,
    judge_factors,
    mean_swing,
    swing_ends,
    swing_interval,
)

STAGES = {50: 1 / 2, 100: 1}  # items that are enough -> where no draw of their swing comes to so much of `no_swing`
LEVELS, REPEATS = 6, 1  # sizes of null changes; draws of each kind at each size
BEYOND, BEYOND_ITEMS = 3, 20  # steps to either end of a factor's whole range; items that are asked there
HOLDS = 0.1  # share of decisions that may flip where an answer is still said to hold
TOGETHER = 256  # items that are answered at once
FILL = "reflect"  # of places that a factor which is not planted leaves empty: no black corner that no item has
UNSEEN = 1e-4  # root mean square change of pixels below which an item is as it was
GREY_LEVEL = 1 / 255  # root mean square change of pixels below which the values of a factor are as good as one
ALIKE = 90  # percentile of items that hold to it: a range of the data is that of nine tenths of them too


@dataclass(frozen=True)
class ScanItems:
    """The items that a scan changes.

    x (N, C, *places), upright. labels (N,): their classes, "" where they are not known. values (N,): of the factor that
    the run plants, drawn without regard to the class; None where nothing is planted. bias: how it is planted. rate:
    samples a second of signals, None where it is not known.
    """

    x: torch.Tensor
    labels: np.ndarray
    values: np.ndarray | None = None
    bias: object = None
    rate: float | None = None

    def finish(self, x):
        """Items x, one for each, with the planted factor at their own values; as they are without one."""
        return x if self.values is None else self.bias.plant(x, torch.tensor(self.values, dtype=torch.float32))

    @cached_property
    def base(self):
        """The items as they are before anything is changed: (N, C, *places)."""
        return self.finish(self.x)

    def part(self, rows):
        """The items of a slice of rows."""
        values = None if self.values is None else self.values[rows]
        return replace(self, x=self.x[rows], labels=self.labels[rows], values=values)

    def changed(self, factor, values):
        """The items with a factor at `values` (N,): the planted one in its own way, others before it is planted."""
        values = torch.tensor(values, dtype=torch.float32)
        if self.bias is not None and factor == self.bias.factor:
            return self.bias.plant(self.x, values)
        with torch.autocast(self.x.device.type, enabled=False):
            return self.finish(FACTORS[factor].plant(self.x, values, FILL, self.rate))


@dataclass(frozen=True)
class NullAnswers:
    """What a classifier decides when items are changed in ways that no factor names.

    base (N,): of the unchanged items. levels (L,): sizes of change. decisions (N, L, R): by R draws at each size, where
    they were asked for.
    """

    base: np.ndarray
    levels: np.ndarray
    decisions: np.ndarray

    def matched(self, distance):
        """The decisions (N, P) after changes at least as large as those a factor made at P places: distance (N, P).

        An item that the factor left as it is, is so.
        """
        decisions = self.decisions[matching_draws(self.levels, distance, self.decisions.shape[-1])]
        return np.where(distance > 0, decisions, self.base[: len(distance), None])


def matching_draws(levels, distance, draws):
    """Which changes that no factor names stand for distance (N, P): indices (N, P) of items, levels and draws.

    Every place has another draw, and items take the draws in turn.
    """
    level = np.minimum(np.searchsorted(levels, distance - 1e-6), len(levels) - 1)
    row, place = np.arange(len(distance))[:, None], np.arange(distance.shape[1])
    return np.broadcast_arrays(row, level, (row + place) % draws)


def scan_factors(answer, items, grids, rng, step=lambda: None, beyond=True, stages=STAGES):
    """(rows, one dict a factor, judged; {factor: probability (N, V, K)}; probability (N, K) of unchanged items).

    answer(x (B, C, *places)) -> probabilities (B, K). items: ScanItems. grids: a ValueGrid for each factor. rng: of
    the null and of the intervals. step(): called after each factor. Keys of a row: factor, unit, axis, source, reached,
    n, swing with swing_low and swing_high, flips (share of items whose decision goes over from the place of the lowest
    mean answer to that of the highest) and null_flips (the same after changes of the same sizes that no factor names),
    p, p_holm, used, flips_at (median place of the flips), mean (K lists of V probabilities), by_class, unchanged (how
    many further items are left out of all this, see `_judged_items`), one_value: see `is_one_value`, and beyond: see
    `ask_beyond`, {} unless wanted.
    stages: how many items are enough where they show plainly that the answer does not move, as STAGES; {} to ask all.
    """
    base = ask(answer, items.base)
    asked = {}
    for grid in grids:
        asked[grid.factor] = _ask_enough(answer, items, grid, base, rng, stages)
        step()
    judged = {name: _judged_items(distance) for name, (_, distance) in asked.items()}
    ends = {name: swing_ends(probability[judged[name]]) for name, (probability, _) in asked.items()}
    moves = {name: distance[:, ends[name][1:]] for name, (_, distance) in asked.items()}
    most = max(map(len, moves.values()))
    null = _ask_null(answer, items.part(slice(most)), base[:most].argmax(1), list(moves.values()), rng)
    step()
    rows = []
    for grid in grids:
        probability, name = asked[grid.factor][0], grid.factor
        own = judged[name]
        answers = probability[own], ends[name], null.matched(moves[name])[own]
        row = _row(grid, items.labels[: len(own)][own], answers, rng) | {"unchanged": int((~own).sum())}
        row["one_value"] = is_one_value(grid, asked[name][1][own], row["swing_high"])
        rows.append(row | {"beyond": ask_beyond(answer, items, grid, base) if beyond else {}})
        step()
    return judge_factors(rows), {name: probability for name, (probability, _) in asked.items()}, base


def _ask_enough(answer, items, grid, base, rng, stages):
    """(probability (n, V, K), distance (n, V) in pixels) of as many items as it takes to judge a factor.

    Those that come first are enough if they show plainly that the answer does not move, see STAGES; else all are asked.
    """
    found, far = [], []
    for n in (*(n for n in stages if n < len(items.x)), len(items.x)):
        part = slice(sum(map(len, found)), n)
        answers, moved = _ask_grid(answer, items.part(part), grid.part(part), base[part])
        found, far = [*found, answers], [*far, moved]
        probability, distance = np.concatenate(found), np.concatenate(far)
        changed = distance.any(1)
        if n in stages and is_plainly_unmoved(probability[changed] if changed.any() else probability, rng, stages[n]):
            break
    return probability, distance


def _judged_items(far):
    """Which items (n,) say how far the answer moves: those that a factor changes at some place; far (n, V) in pixels.

    An item that has a mark or a blur already cannot be given less of it: it has no part in the swing. Where fewer are
    changed than a verdict needs, all say it.
    """
    changed = far.any(1)
    return changed if changed.sum() >= RULE.items else np.ones_like(changed)


def is_one_value(grid, far, swing_high):
    """Do the items hold as good as one value of a factor, so that a ValueGrid asks nothing about it?

    far (n, V): how far its places change the items that say it, in pixels. They are as good as one value where that
    differs between them by less than one grey level of 255 (root mean square) for nine tenths of the items: storing an
    item with 8 bits may change it by half of that. Places that are equal are always so. The size of the change decides,
    not that of the values: polarity reads from 0.5 to 0.8 in signals of which none is upside down. False where the
    range is not that of the data, and where the answer moves all the same: where its swing, whose interval ends at
    swing_high, may be as large as `not used` excludes.
    """
    of_data = grid.source in ("data", "spread")
    return bool(of_data and np.percentile(np.ptp(far, axis=1), ALIKE) < GREY_LEVEL and swing_high < RULE.no_swing)


def ask(answer, x):
    """Probabilities (N, K), NumPy, of items x (N, C, *places)."""
    parts = batches(len(x), TOGETHER, x[0].numel()) if len(x) else [slice(0, 0)]
    return torch.cat([answer(x[part]).float().cpu() for part in parts]).numpy()


def ask_each(answer, parts):
    """[probabilities (N, K), NumPy, of each part, items (N, C, *places)]; small parts are answered together.

    parts: any iterable; no more than TOGETHER items of it wait in memory, and the part that comes next.
    """
    found, waiting = [], []
    for x in parts:
        if sum(map(len, waiting)) + len(x) > TOGETHER:
            found += _ask_together(answer, waiting)
            waiting = []
        waiting.append(x)
    return found + _ask_together(answer, waiting)


def _ask_together(answer, parts):
    """[probabilities (N, K) of each of these parts], answered as one."""
    if not parts:
        return []
    return np.split(ask(answer, torch.cat(parts)), np.cumsum([len(x) for x in parts])[:-1])


def _ask_grid(answer, items, grid, base):
    """(probability (N, V, K), distance (N, V) in pixels) of the items at every place of a grid.

    An item that a value leaves as it is, or as the value before did, is not asked again.
    """
    found, far = np.repeat(base[:, None], len(grid.axis), 1), np.zeros(grid.values.shape, np.float32)
    kept, moved = [], []  # items that the value before answers for; items to ask: (N,) for each value

    def changed_items():
        for v, values in enumerate(grid.values.T):
            same = np.isclose(values, grid.values[:, v - 1], atol=1e-9) if v else np.zeros(len(values), bool)
            x = items.base if same.all() else items.changed(grid.factor, values)
            distance = np.where(same, far[:, v - 1], pixel_distance(x, items.base).numpy())
            far[:, v] = np.where(distance > UNSEEN, distance, 0)
            kept.append(same)
            moved.append(~same & (distance > UNSEEN))
            if moved[v].any():
                yield x[torch.from_numpy(moved[v])]

    answers = iter(ask_each(answer, changed_items()))
    for v in range(len(grid.axis)):
        found[kept[v], v] = found[kept[v], v - 1]
        if moved[v].any():
            found[moved[v], v] = next(answers)
    return found, far


def _ask_null(answer, items, decided, distances, rng):
    """The NullAnswers for items at the distances (n, P) of several factors' changes; no others are asked for."""
    sizes = np.concatenate([distance[distance > UNSEEN] for distance in distances])
    top = float(sizes.max()) if len(sizes) else 0.01
    levels = np.geomspace(max(top / 40, 1e-3), max(top, 2e-3), LEVELS)
    draws = [change for _ in range(REPEATS) for change in NULL_CHANGES[kind_of(items.x.shape).name]]
    wanted = np.zeros((len(items.x), LEVELS, len(draws)), bool)
    for distance in distances:
        wanted[tuple(index[distance > 0] for index in matching_draws(levels, distance, len(draws)))] = True
    decisions = np.broadcast_to(decided[:, None, None], wanted.shape).copy()
    places = [(level, draw) for level in range(LEVELS) for draw in range(len(draws)) if wanted[:, level, draw].any()]

    def changed_items():
        for level, draw in places:
            x = items.base[torch.from_numpy(wanted[:, level, draw])]
            yield draws[draw](x, torch.full((len(x),), float(levels[level])), rng)

    for (level, draw), probability in zip(places, ask_each(answer, changed_items()), strict=True):
        decisions[wanted[:, level, draw], level, draw] = probability.argmax(1)
    return NullAnswers(decided, levels, decisions)


def _row(grid, labels, answers, rng):
    """What the answers to a grid say, before it is judged beside the other factors; all of the same n items.

    answers: probability (n, V, K), its `swing_ends`, and the decisions (n, 2) after changes of the same sizes as there.
    """
    probability, (name, *ends), null = answers
    low, high = swing_interval(probability, rng)
    decisions = probability.argmax(-1)
    flips, null_flips = goes_over(decisions[:, ends], name), goes_over(null, name)
    places = flip_places(decisions, grid.axis)
    return {
        "factor": grid.factor,
        "unit": grid.unit,
        "axis": grid.axis.tolist(),
        "source": grid.source,
        "reached": grid.reached,
        "n": len(probability),
        "swing": mean_swing(probability),
        "swing_low": low,
        "swing_high": high,
        "flips": float(flips.mean()),
        "null_flips": float(null_flips.mean()),
        "p": flip_p(flips, null_flips),
        "flips_at": _median(places),
        "mean": probability.mean(0).T.tolist(),
        "by_class": {
            str(label): _of_class(probability[own], flips[own], places[own], rng)
            for label in sorted(set(labels) - {""})
            if (own := labels == label).any()
        },
    }


def _of_class(probability, flips, places, rng):
    """The same for the items of one class."""
    low, high = swing_interval(probability, rng)
    found = {"n": len(probability), "swing": mean_swing(probability), "swing_low": low, "swing_high": high}
    return found | {"flips": float(flips.mean()), "flips_at": _median(places), "mean": probability.mean(0).T.tolist()}


def _median(places):
    """Median of the places (N,) that are numbers; None if none is."""
    known = places[np.isfinite(places)]
    return float(np.median(known)) if len(known) else None


def ask_beyond(answer, items, grid, base):
    """How far a model is robust: {"values", "flips", "holds_from", "holds_to"}, over the factor's whole range.

    Another question than whether the model goes by the factor: most of these values no training item has. base (N, K):
    answers to unchanged items. flips: share of items that are decided otherwise than unchanged. holds_from, holds_to:
    the values between which at most a tenth are. {} for the planted factor: the scan itself asks about its whole range.
    """
    if items.bias is not None and grid.factor == items.bias.factor:
        return {}
    some, factor = items.part(slice(BEYOND_ITEMS)), FACTORS[grid.factor]
    decided = base[: len(some.x)].argmax(1)
    sides = [np.linspace(factor.neutral, end, BEYOND + 1)[1:] for end in _far_ends(factor)]
    changed = (some.changed(grid.factor, np.full(len(some.x), value)) for side in sides for value in side)
    flipped = [float((probability.argmax(1) != decided).mean()) for probability in ask_each(answer, changed)]
    flips = [flipped[: len(sides[0])], flipped[len(sides[0]) :]][: len(sides)]
    holds = [side[held.sum() - 1] if (held := np.cumprod(np.array(f) <= HOLDS)).any() else factor.neutral
             for side, f in zip(sides, flips, strict=True)]  # fmt: skip
    pairs = sorted(zip(np.concatenate(sides).tolist(), np.concatenate(flips).tolist(), strict=True))
    values, shares = zip(*pairs, strict=True)
    ends = [factor.neutral, *map(float, holds)]
    return {"values": values, "flips": shares, "holds_from": min(ends), "holds_to": max(ends)}


def _far_ends(factor):
    """The ends of a factor's whole range that lie away from its neutral value; the farther one if that is outside."""
    low, high = factor.whole
    if low <= factor.neutral <= high:
        return [end for end in (low, high) if end != factor.neutral]
    return [max(low, high, key=lambda end: abs(end - factor.neutral))]
