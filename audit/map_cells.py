"""Cells of heat maps: the scores of section 6 of the protocol, and whether a map names the factor."""

import numpy as np

from xaae.audit.cells import detection_numbers, make_cell
from xaae.audit.detection import plane_features
from xaae.audit.map_scores import UNDO, pointing_scores, same_map, spurious_signal_scores

GOES_ALONG = {"rotation": "only turned with the content", "shift": "only moved with the signal"}  # a map, by factor


def map_cell(judged, method, model, failed):
    """The cell of one attribution method. failed {(method, model): reason} of those that raised."""
    if (method, model) in failed:
        return make_cell(judged.condition, method, model, status="error", reason=failed[method, model])
    biased, irrelevant, normal = (judged.maps(method, model, arm) for arm in ("biased", "irrelevant", "normal"))
    if reason := refusal([*biased, *irrelevant, *normal]):
        return make_cell(judged.condition, method, model, status="refused", reason=reason)
    rows = judged.flip_set(model)
    features = [[plane_features(maps["with"][rows]) for maps in arm] for arm in (biased, irrelevant)]
    numbers = detection_numbers(*features, judged.rng(method, model))
    scores = _mean_scores(judged, biased, normal, rows)
    named, naming = name_by_map(judged, scores)
    return make_cell(judged.condition, method, model, scores=scores, named=named, naming=naming, **numbers)


def refusal(maps):
    """Why a method refused some of several models, by their kept maps: a sentence, "" where it refused none.

    A method may refuse one model and not another of the same architecture, because its sums do not add up there.
    """
    reasons = [str(each["reason"]) for each in maps if "reason" in each]
    if not reasons:
        return ""
    return reasons[0] if len(reasons) == len(maps) else f"{len(reasons)} of {len(maps)} models: {reasons[0]}"


def _mean_scores(judged, biased, normal, rows):
    """The scores of the biased models' maps, means over them: {name: number, or None where there is none}."""
    each = [_scores(judged, *maps, rows) for maps in zip(biased, normal, strict=True)]
    return {name: None if each[0][name] is None else float(np.nanmean([e[name] for e in each])) for name in each[0]}


def _scores(judged, biased, normal, rows):
    """The scores of one biased model's maps, beside those of a normal model; rows (P,) bool: the flip set."""
    chosen = rows[: len(biased["pair_with"])]
    chosen = chosen if chosen.any() else np.ones(len(chosen), bool)
    pairs = [[maps[name][chosen] for name in ("pair_with", "pair_without")] for maps in (biased, normal)]
    values, undo = judged.probe.values[: len(chosen)][chosen], UNDO.get(judged.condition.factor)
    scores = {"same_map": same_map(*pairs[0], values, undo)}
    scores |= {name: float(biased[name]) for name in ("randomised", "removal")}
    scores |= spurious_signal_scores(*pairs, judged.place)
    if judged.place is not None:
        scores |= pointing_scores(biased["with"][judged.visible(rows)], judged.place)
    return scores


def name_by_map(judged, scores):
    """(named, sentence): does a map name the factor, by pointing at its place or not at all?"""
    if judged.place is not None:
        return _name_by_place(judged, scores["relevance_rank"])
    same = scores["same_map"]
    if same >= judged.thresholds.same_map:
        changed = GOES_ALONG.get(judged.condition.factor, "stayed as it was")
        return False, f"the factor is not named: the map {changed} (correlation {same:.2f})"
    return None, f"nothing in it names the factor: it has no place, and the map changed (correlation {same:.2f})"


def _name_by_place(judged, share):
    """(named, sentence) of a local factor; share: of the map's strongest places that lie on it."""
    asked, by_chance = judged.thresholds, float(judged.place.mean())
    named = True if share >= asked.pointing else False if share <= asked.no_pointing else None
    naming = f"{share:.2f} of its strongest places lie on the {judged.condition.factor} (by chance {by_chance:.2f}"
    return named, f"{naming}, asked for {asked.pointing:.2f})"
