"""Walks of an arm: from the probe items along each direction, with what the meters read on the way."""

from functools import cache

import numpy as np
import torch

from xaae.audit.opened_arm import open_arm
from xaae.audit.probe_items import snapshots
from xaae.audit.questions import WalksAnswer
from xaae.experiment.device import exact
from xaae.experiment.seeds import generator
from xaae.experiment.statistics import largest_steps, median_of_known
from xaae.latent_nav import codes, directions, gliding, led_walks, naming, walks
from xaae.latent_nav.encoded_run import encode_run, fitted
from xaae.latent_nav.walk_results import SHARES

NULL_STARTS, NULL_FRAMES = 8, 5
SHOWN, EVERY = 4, 4  # starts and steps between frames that are kept for figures
CONTROL = "pca:1"  # a direction that is walked in every audit: it knows nothing of the classes


def give_walks(question):
    """The WalksAnswer to a WalksQuestion."""
    arm = open_arm(question.folder, question.condition)
    probe, rng = arm.probe_items(question.probe), generator(arm.trained.config.seed, "audit walks")
    oracle = open_arm(question.oracle, question.condition).two_sided(question.model) if question.oracle else None
    with exact():
        encoded = encode_run(arm.trained, meters=arm.meters)
        arrays, tables = walk_from_probe(encoded, arm, probe, question, rng, oracle)
    meter, plant = encoded.meters[arm.factor.meter], arm.bias.plant
    error = walks.reconstruction_error(encoded.model, probe.x_0, plant, arm.bias.grid(), meter)
    return WalksAnswer(_planted_shift(encoded, arm, probe), error, tables, arrays)


def _planted_shift(encoded, arm, probe):
    """How far the factor is planted between the two sides, in its meter's unit."""
    return walks.planted_shift(probe.x_0, arm.bias.plant, *arm.ends, encoded.meters[arm.factor.meter])


def walk_from_probe(encoded, arm, probe, question, rng, oracle=None):
    """({direction: arrays}, {direction: rows of the naming table}) of walks from the ProbeItems.

    encoded: the arm as an EncodedRun. oracle(x) -> logits of both sides: a classifier that does not use the factor,
    asked about the end frames; None where there is none. arrays: see `walk_arrays`. The null of each meter is what
    random directions change, at right angles to the first direction and to those that classifiers lead.
    """
    evidence, ways = encoded.evidence(arm.sides), _directions(encoded, arm, question.directions)
    z = torch.from_numpy(codes.encode_items(encoded.model, lambda rows: probe.x[rows], np.arange(len(probe.x)))[0])
    led = [way for way in ways[1:] if way.leader]
    across = directions.random_directions(question.random_directions, evidence.z, rng, ways[0], *led)
    null_within = cache(
        lambda reach: naming.null(
            encoded.model, z[:NULL_STARTS], across, walks.alphas(NULL_FRAMES, reach), encoded.meters
        )
    )
    spread = naming.spreads(encoded.model, evidence.z, encoded.meters, rng)
    planted = arm.bias.plant, arm.ends, _planted_shift(encoded, arm, probe), arm.factor
    real = gliding.real_change(encoded.model, probe.x_0, *planted)
    arrays, tables = {}, {}
    for direction in ways:
        alpha, null = walks.alphas(reach=direction.reach), null_within(max(direction.reach, directions.REACH))
        walk = _walk(encoded, z, probe.labels, direction, arm, question.spacing)
        table = naming.naming_table(walk.readings, alpha, spread, null, encoded.meters, rng)
        arrays[direction.name] = walk_arrays(walk, encoded.floor, arm.factor.meter, arm.sides, oracle)
        arrays[direction.name] |= _fade_arrays(walk, arm.factor.meter, real)
        tables[direction.name] = naming.checked_names(table, walk.frames, encoded.meters)
    return arrays, tables


def _directions(encoded, arm, specs):
    """The Directions that are walked for specs such as "lda" and "led:baseline"; the control is the last."""
    found = []
    for spec in [*specs, CONTROL]:
        name, _, of = spec.partition(":")
        if not directions.DIRECTIONS[name].led:
            found += directions.fit_directions(encoded.evidence(arm.sides), [spec])
            continue
        try:
            found += [led_walks.with_reach(encoded, direction) for direction in fitted(encoded, spec)]
        except led_walks.OneSided:  # it leads nowhere: a walk that stands still
            found.append(directions.Direction(f"{name}_{of}", np.zeros(encoded.z.shape[1], np.float32), 1.0, name))
    return found


def _walk(encoded, z, labels, direction, arm, spacing):
    """The Walk from codes z (P, D) of items with these labels (P,), its frames spaced as one of SPACINGS."""
    classes, leader, alpha = np.array(encoded.trained.classes), direction.leader, walks.alphas(reach=direction.reach)
    one_hot = torch.from_numpy(labels[:, None] == classes).float()
    asked = lambda x: led_walks.ask_frames(leader, x) if leader else walks.second_look(encoded.model, x)  # noqa: E731
    favour = lambda frames: arm.sides.probability(asked(frames))  # noqa: E731
    path = walks.path(encoded.model, z, direction, alpha, arm.target)
    walk = gliding.spaced_walk(encoded.model, path, one_hot, alpha, spacing, encoded.meters, favour)
    walk.led = led_walks.ask_frames(leader, walk.frames) if leader else None
    return walk


def _fade_arrays(walk, meter, real):
    """What the test for cross-fades needs: ends_explain (P,), and real_ends_explain of a RealChange as far as the walk.

    path_step.NAME (P,): the largest step of the decoded path in that spacing.
    """
    reading = walk.readings[meter]
    changed = np.isfinite(largest_steps(reading, SHARES["none"] * abs(real.shift))[0])
    really = real.explained(median_of_known(np.abs(reading[:, -1] - reading[:, 0])[changed]), reading.shape[1])
    arrays = {"ends_explain": gliding.explained_by_ends(walk.frames)}
    arrays["real_ends_explain"] = np.array(np.nan if really is None else really)
    return arrays | {f"path_step.{name}": share for name, share in walk.path_steps.items()}


def walk_arrays(walk, floor, meter, sides, oracle=None):
    """What is kept of a Walk of P starts and T frames, about the Contrast `sides`: a dict of arrays.

    meter.NAME (P, T): readings. difference (P, C, *places): last frame less first. flips (P,): does the model that the
    walk is about put the end frames on different sides? oracle_flips (P,): does the oracle? realism (P,): share of
    codes with a discriminator's score above `floor`. crossing (P,): by how much the reading of `meter` has changed,
    from the start, where the probability of the last side among both crosses 0.5; NaN where it does not. alpha_span
    (P,): standard deviations from end to end. frames: a few, uint8 (SHOWN, ., H, W, 1 or 3).
    """
    arrays = {f"meter.{name}": reading for name, reading in walk.readings.items()}
    arrays["difference"] = walk.frames[:, -1] - walk.frames[:, 0]
    on_last = sides.favours_last(walk.answers)
    arrays["flips"] = on_last[:, 0] != on_last[:, -1]
    ends = torch.from_numpy(walk.frames[:, [0, -1]])
    arrays["oracle_flips"] = _decided_differently(oracle, ends) if oracle else np.zeros(len(ends), bool)
    arrays["realism"] = (walk.discriminator > floor).mean(1)
    alpha = np.broadcast_to(walk.alpha, walk.readings[meter].shape)
    arrays["alpha_span"] = alpha[:, -1] - alpha[:, 0]
    at_home = np.array([np.interp(0, a, r) for a, r in zip(alpha, walk.readings[meter], strict=True)])
    arrays["crossing"] = crossings(walk.readings[meter], sides.probability(walk.answers), at_home)
    arrays["frames"] = np.stack([snapshots(start) for start in walk.frames[:SHOWN, ::EVERY]])
    return arrays


@torch.inference_mode()
def _decided_differently(classifier, ends):
    """Does a classifier give both end frames (P, 2, C, *places) another class? (P,) bool."""
    predicted = classifier(ends.flatten(0, 1)).argmax(-1).view(len(ends), 2)
    return (predicted[:, 0] != predicted[:, 1]).cpu().numpy()


def crossings(reading, probability, at_home):
    """By how much readings (P, T) differ from `at_home` (P,) where probability (P, T) first crosses 0.5: (P,).

    NaN where it never does.
    """
    found = np.full(len(reading), np.nan)
    above = probability > 0.5
    for i, step in enumerate(np.diff(above, axis=1)):
        if step.any():
            t = int(step.argmax())
            share = (0.5 - probability[i, t]) / (probability[i, t + 1] - probability[i, t])
            found[i] = reading[i, t] + share * (reading[i, t + 1] - reading[i, t]) - at_home[i]
    return found
