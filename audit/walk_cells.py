"""Cells of walks: the scores of section 5 of the protocol, over the models of all arms."""

import numpy as np

from xaae.audit.cells import COMPARED, detection_numbers, make_cell
from xaae.audit.detection import map_planes, plane_features
from xaae.audit.factor_signatures import factor_signatures
from xaae.audit.walk_scores import score_walk, shows_factor, sum_up_walks
from xaae.experiment.vocabulary import MODELS
from xaae.latent_nav.walks import alphas


def explained_model(direction):
    """Whose answer the walk along a direction explains, by the direction's name: the AAE's, unless another leads it."""
    return next((name for name in MODELS if direction == f"led_{name}"), "aae")


def walk_cells(judged):
    """The cells of all directions."""
    signatures = condition_signatures(judged)
    return [_walk_cell(judged, direction, signatures) for direction in judged.directions()]


def condition_signatures(judged):
    """The `factor_signatures` of a condition's probe items."""
    bias = judged.bias
    return factor_signatures(judged.probe.x_0, judged.arm.meters, bias.fill, judged.factor.name, bias.rate)


def score_walk_of(judged, arm, number, direction, signatures):
    """The scores of the walk of an arm's model `number`; the planted shift is that of the first biased model.

    How far led walks of earlier versions went is not known: their slope is NaN.
    """
    walks, shift = judged.walks(arm, number), judged.walks("biased", 0).shift
    led = direction.startswith("led")
    about = judged.meter, shift, alphas(), judged.flip_set(explained_model(direction)), signatures
    arrays = ({"alpha_span": np.nan} if led else {}) | walks.arrays[direction]
    return score_walk(arrays, walks.tables[direction], *about)


def walk_features(judged, arm, number, direction):
    """What detection sees of the walk of an arm's model `number`: features (P, F) of last frame less first."""
    difference = judged.walks(arm, number).arrays[direction]["difference"]
    return plane_features(map_planes(difference[judged.flip_set(explained_model(direction))]))


def _walk_cell(judged, direction, signatures):
    """The cell of the walks along one direction: medians over the biased models, false alarms over the others."""
    models, factor = range(judged.seeds), judged.condition.factor
    scored = {
        arm: [score_walk_of(judged, arm, number, direction, signatures) for number in models]
        for arm in judged.questions
    }
    features = [[walk_features(judged, arm, n, direction) for n in models] for arm in COMPARED]
    numbers = detection_numbers(*features, judged.rng(direction))
    unbiased = [*scored["irrelevant"], *scored["normal"]]
    alarms = float(np.mean([shows_factor(scores, factor, judged.thresholds) for scores in unbiased]))
    numbers["false_alarms"] = max(numbers["false_alarms"], alarms)
    summed = sum_up_walks(scored["biased"], factor)
    summed["scores"] |= {"boundary_error": _boundary_error(judged, direction), "walk_alarms": alarms}
    model = explained_model(direction)
    return make_cell(judged.condition, f"walk:{direction}", model, gates=[model, "shown"], **summed, **numbers)


def _boundary_error(judged, direction):
    """By how much the walk's reading, where the decision turns, misses that of items at the planted boundary.

    The median over starts and biased models, in the meter's unit; None if no walk crosses.
    """
    wanted, rows = _reading_at_boundary(judged), judged.flip_set(explained_model(direction))
    crossings = [judged.walks("biased", number).arrays[direction]["crossing"] for number in range(judged.seeds)]
    missed = np.concatenate([judged.meter.between(crossing, wanted)[rows] for crossing in crossings])
    return float(np.nanmedian(np.abs(missed))) if np.isfinite(missed).any() else None


def _reading_at_boundary(judged):
    """Change of the planted meter from each probe item to the same item halfway between the two sides: (P,)."""
    x_0, meter = judged.probe.x_0, judged.meter
    halfway = np.full(len(x_0), np.mean(judged.arm.ends), np.float32)
    frames = np.stack([judged.probe.x.numpy(), judged.bias.plant(x_0, halfway).numpy()], 1)
    reading = meter.measure(frames)
    return meter.between(reading[:, 0], reading[:, 1])
