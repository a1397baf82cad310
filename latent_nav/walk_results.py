"""The walks of `navigate`: every direction from the same starts, all meters, the null, and what each walk changes."""

from functools import cache

import numpy as np
from tqdm.auto import tqdm

from xaae.experiment import run_folder
from xaae.experiment.amounts import counted
from xaae.experiment.figure_style import save_png
from xaae.experiment.manifest import written_files
from xaae.experiment.statistics import largest_steps, median_of_known
from xaae.experiment.vocabulary import MODELS, short_name
from xaae.experiment.walk_words import FADE, GLIDE, is_invisible, start_groups
from xaae.latent_nav import directions, films, gliding, naming, plots, walks
from xaae.latent_nav.interpolate import HEATS, linear, spherical, walk_heat
from xaae.latent_nav.led_walks import arrived, ask_frames

NAME = 14  # letters of a class's name above a frame
NULL_STARTS, NULL_FRAMES, OTHER_STARTS, STRIP_STARTS = 8, 5, 8, 6
SHARES = {"clear": 1 / 2, "none": 1 / 9, "meter_error": 1 / 6}  # of the planted shift: 45, 10 and 15 of 90 degrees


def walk_directions(encoded, starts):
    """Walk every direction and the null; the sections walk, naming and planted of `navigate.json`."""
    chance_within = _nulls(encoded, starts[:NULL_STARTS])
    chance = chance_within(directions.REACH)
    held_out = encoded.evidence(encoded.contrast, "valid").z
    spread = naming.spreads(encoded.model, held_out, encoded.meters, encoded.rng)
    planted, real = _planted(encoded, starts)
    none = planted["planted"]["limits"]["none"]
    numbers, tables, ends = {}, {}, {}
    for name in tqdm(encoded.directions, "walks", leave=False, disable=None):
        rows = starts if name == encoded.main else _other_starts(encoded, name, starts)
        alpha = walks.alphas(reach=encoded.directions[name].reach)
        walk, own_chance = one_walk(encoded, name, rows, alpha, encoded.spacing), chance_within(alpha.max())
        table = naming.naming_table(walk.readings, alpha, spread, own_chance, encoded.meters, encoded.rng)
        tables[name] = _with_steps(naming.checked_names(table, walk.frames, encoded.meters), walk.readings)
        ends[name] = naming.meter_changes(walk.readings, encoded.meters)[encoded.meter.name]
        numbers[name] = _walk_numbers(encoded, walk, tables[name], encoded.sides_of(encoded.directions[name]))
        numbers[name] |= gliding.glide_numbers(walk, encoded.meter.name, none, real)
        numbers[name] |= _led_numbers(encoded, walk, name, own_chance)
        _keep_walk(encoded, name, walk, rows)
    _forget_others(encoded)
    frames = {"direction": encoded.main, "starts": len(starts), "frames": len(alpha)}
    frames |= {"random_directions": len(chance[encoded.meter.name])}
    frames |= {"random_change": median_size(chance[encoded.meter.name])}
    frames |= {"random_span_deg": median_size(chance["rotation"])} if "rotation" in chance else {}
    told = {
        n: {"sentence": _named_in_words(encoded, n, t, numbers[n], len(tables)), "named": named(t), "meters": t}
        for n, t in tables.items()
    }
    for name, walk in numbers.items():
        walk["start_groups"] = start_groups(ends[name], none)
    return {"walk": numbers[encoded.main] | frames | {"by_direction": numbers}, "naming": told} | planted


def _named_in_words(encoded, name, table, walk, walked):
    """The naming sentence of one walk; the main one was chosen before it was looked at, the others were not."""
    looked_at = 1 if name == encoded.main else walked
    return naming.naming_sentence(table, encoded.meters, looked_at, is_invisible(walk), encoded.trained.kind.name)


def _other_starts(encoded, name, starts):
    """The starts of the walk along another direction than the main one: of its own contrast's classes if it has one.

    All of them for a straight one that a classifier leads, so that what two classifiers go by is compared on as many.
    """
    direction = encoded.directions[name]
    n = len(starts) if direction.leader and direction.vector is not None else OTHER_STARTS
    return encoded.starts(n, encoded.sides_of(direction)) if direction.sides else starts[:n]


def named(table):
    """Names of the meters that a walk changes beyond chance, strongest first."""
    return [row["meter"] for row in table if row["named"]]


def median_size(values):
    """Median of |values|."""
    return float(np.median(np.abs(values)))


def _with_steps(table, readings):
    """The rows of a naming table with the largest step of each meter's reading as a share of its whole change.

    The median over starts, without those whose change is small beside the median one.
    """
    least = {row["meter"]: SHARES["none"] * abs(row["change"]) for row in table}
    share = lambda name: median_of_known(largest_steps(readings[name], least[name])[1])  # noqa: E731
    return [row | {"largest_step_share": share(row["meter"])} for row in table]


def one_walk(encoded, name, rows, alpha, spacing=None):
    """The Walk along one direction from table rows.

    spacing: of its frames, one of SPACINGS; None for even steps of alpha and no numbers of other spacings.
    """
    direction, sides = encoded.directions[name], encoded.sides_of(encoded.directions[name])
    start, y, leader = encoded.codes(rows), encoded.one_hot(rows), direction.leader
    if spacing is None:
        walk = walks.walk(encoded.model, start, y, direction, alpha, encoded.meters, sides.target)
    else:
        asked = lambda x: ask_frames(leader, x) if leader else walks.second_look(encoded.model, x)  # noqa: E731
        favour = lambda frames: asked(frames)[..., sides.columns[1]].sum(-1)  # noqa: E731
        path = walks.path(encoded.model, start, direction, alpha, sides.target)
        walk = gliding.spaced_walk(encoded.model, path, y, alpha, spacing, encoded.meters, favour)
    walk.led = ask_frames(leader, walk.frames) if leader else None
    walk.severity = encoded.severities(walk.frames, leader)
    return walk


def _nulls(encoded, starts):
    """The function reach -> what random directions, walked so far each way, do to every meter, {meter: (R,)}.

    They are at right angles to the main direction, and to those that classifiers lead. Shorter walks are held against
    random ones of the usual reach, which change more; what those change is kept in `walks/random.npz`.
    """
    k, z = encoded.trained.config.random_directions, encoded.evidence(encoded.contrast).z
    led = [d for d in encoded.directions.values() if d.leader and d.vector is not None and d is not encoded.way]
    chosen = directions.random_directions(k, z, encoded.rng, encoded.way, *led)
    changes = cache(lambda reach: _null(encoded, starts, chosen, reach))
    cosine = np.array([d.vector @ encoded.way.vector for d in chosen])
    arrays = {f"change.{name}": change for name, change in changes(directions.REACH).items()}
    run_folder.write_arrays(encoded.trained.folder / "walks" / "random.npz", cosine=cosine, **arrays)
    return lambda reach: changes(max(float(reach), directions.REACH))


def _null(encoded, starts, chosen, reach):
    """What directions `chosen`, walked so far each way from table rows, do to every meter: {meter: (R,)}."""
    alpha = walks.alphas(NULL_FRAMES, reach)
    return naming.null(encoded.model, encoded.codes(starts), chosen, alpha, encoded.meters)


def _walk_numbers(encoded, walk, table, sides):
    """What one walk says of the planted factor, of rotation, of the decision and of the discriminator."""
    by_meter = {row["meter"]: row for row in table}
    own = by_meter[encoded.meter.name]
    on_last, there = sides.favours_last(walk.answers), walk.answers[..., sides.columns[1]].sum(-1)
    return (
        {
            "meter": own["meter"],
            "unit": own["unit"],
            "change": own["change"],
            "change_ci": own["change_ci"],
            "change_words": own["words"],
            "spearman": own["spearman"],
            "p_value": own["p"],
            "match": None if walk.match is None else float(np.median(walk.match[:, -1])),
            "probability_first": float(there[:, 0].mean()),
            "probability_last": float(there[:, -1].mean()),
            "accepted": None if walk.discriminator is None else float((walk.discriminator > encoded.floor).mean()),
            "flips": float((on_last[:, 0] != on_last[:, -1]).mean()),
            "frame_change": _frame_change(walk.frames),
        }
        | _severity_numbers(walk)
        | _turn_numbers(encoded, walk, by_meter)
    )


def _led_numbers(encoded, walk, name, chance):
    """Whose answers a walk's probabilities are; of one that a classifier leads also how far it went and came."""
    direction = encoded.directions[name]
    if direction.leader is None:
        return {"answers_of": MODELS["aae"]}
    sides = encoded.sides_of(direction)
    own = walk.probability[..., sides.columns[1]].sum(-1)
    return {
        "answers_of": direction.leader.title,
        "starts": len(walk.frames),
        "reach": direction.reach,
        "brought_over": arrived(sides.probability(walk.answers)),
        "random_change": median_size(chance[encoded.meter.name]),
        "own_probability_first": float(own[:, 0].mean()),
        "own_probability_last": float(own[:, -1].mean()),
    }


def _frame_change(frames):
    """By how much the most changed place of the last frame differs from the first one's: the median over starts."""
    return float(np.median(np.abs(frames[:, -1] - frames[:, 0]).reshape(len(frames), -1).max(1)))


def _severity_numbers(walk):
    """What the model says of the severity at both ends, and how steadily it grows between; {} where there is none."""
    if walk.severity is None:
        return {}
    first, last = (float(walk.severity[:, end].mean()) for end in (0, -1))
    steady = walks.rank_correlation(np.arange(walk.severity.shape[1]), walk.severity)
    return {"severity_first": first, "severity_last": last, "severity_spearman": steady}


def _turn_numbers(encoded, walk, by_meter):
    """How far a walk turns its pictures, whatever was planted; {} for items that have no such meter."""
    if "rotation" not in by_meter:
        return {}
    reading = walk.readings["rotation"]
    spans = np.abs(encoded.meters["rotation"].along(reading))
    return {
        "rotation_span_deg": float(np.median(spans)),
        "rotation_span_deg_ci": walks.median_interval(spans, encoded.rng),
        "rotation_spearman": by_meter["rotation"]["spearman"],
    }


def _planted(encoded, starts):
    """How far the factor was planted, in its meter's unit, what follows for thresholds, and the error of gate 1.

    Beside it the RealChange of the factor.
    """
    trained, bias = encoded.trained, encoded.trained.bias
    x, middles = trained.upright(starts), bias.middles()
    sides = encoded.contrast.first, encoded.contrast.last
    ends = [float(np.mean([middles[name] for name in side])) for side in sides]
    shift = walks.planted_shift(x, trained.plant, *ends, encoded.meter)
    limits = {name: share * abs(shift) for name, share in SHARES.items()}
    error = walks.reconstruction_error(encoded.model, x, trained.plant, bias.grid(), encoded.meter)
    about = {"meter": encoded.meter.name, "unit": encoded.meter.unit, "shift": shift, "limits": limits}
    rule = vars(naming.RULE)
    thresholds = {"naming": dict(rule), "glide": {"largest_step_share": GLIDE, "ends_explain": FADE}}
    real = gliding.real_change(encoded.model, x, trained.plant, ends, shift, trained.factor)
    return {"planted": about, "meter": {"reconstruction_error": error}, "thresholds": thresholds}, real


# ---- what is kept -----------------------------------------------------------------------------------------------


def _forget_others(encoded):
    """Walks of an earlier navigation along other directions are removed: the report shows all that are there."""
    run = encoded.trained.folder
    for path in (run / name for name in written_files(run) if name.startswith("walks/")):
        if path.stem not in (*encoded.directions, "random"):
            path.unlink()


def _keep_walk(encoded, name, walk, rows):
    """One walk as `walks/NAME.npz`, as a strip `.png` and as films `.gif` and `.mp4`."""
    kept, folder = run_folder.as_stored(walk.frames, encoded.trained.kind), encoded.trained.folder / "walks"
    arrays = {"alpha": walk.alpha, "probability": walk.probability, "start": rows}
    arrays |= {f"path_step.{name}": share for name, share in walk.path_steps.items()}
    found = {"match": walk.match, "discriminator": walk.discriminator, "probability.led": walk.led}
    found |= {"severity": walk.severity}
    arrays |= {name: values for name, values in found.items() if values is not None}
    arrays |= {f"meter.{meter}": reading for meter, reading in walk.readings.items()}
    heats = {f"heat.{kind}": walk_heat(walk.frames, kind).astype(np.float32) for kind in HEATS}
    run_folder.write_arrays(
        folder / f"{name}.npz", frames=kept, start_image=encoded.planted_images(rows), **arrays, **heats
    )
    _draw_walk(encoded, folder / name, name, kept, walk, heats["heat.integral"], rows)


def _draw_walk(encoded, path, name, frames, walk, heat, rows):
    """The strip and the films of one walk from table rows."""
    some = np.s_[:STRIP_STARTS, :: encoded.drawing.every]
    reading, rows = walk.readings[encoded.meter.name], rows[:STRIP_STARTS]
    sides = encoded.sides_of(encoded.directions[name])
    answers, goal, own = _answers_of(encoded, walk, sides, rows)
    change = (reading - reading[:, :1])[some] if walk.severity is None or encoded.trained.config.factor_asked else None
    captions = _captions(encoded.meter, change, answers[some], goal)
    own = [f"start:\n{text}" for text in own]
    captions = [[first, *texts] for first, texts in zip(own, captions, strict=True)]
    drawing, inputs = encoded.drawing, encoded.planted_images(rows)
    shown = np.concatenate([drawing.items(inputs)[:, None], drawing.walk(frames[some])], 1)
    ends = f"{walk.alpha.min():+.3g} to {walk.alpha.max():+.3g} standard deviations"
    leader = encoded.directions[name].leader
    whose = leader.title if leader else MODELS["aae"]
    told = f"change of {encoded.meter.name}, {goal}" if change is not None else goal
    title = f"Walk along {name}, {sides}, {ends}: {told} says the {whose}"
    heat = drawing.heat(heat[:STRIP_STARTS], frames[:STRIP_STARTS, frames.shape[1] // 2])
    save_png(plots.strip(shown, captions, title, heat, drawing.note), path.with_name(f"{name}.png"), dpi=110)
    if name == encoded.main or encoded.films:
        films.keep(path, drawing.film(frames[: films.STARTS]))


def _answers_of(encoded, walk, sides, rows):
    """(answers (S, T), what they are called, what is known of each start): of the probability, or the severity."""
    if walk.severity is None:
        labels = [short_name(label, NAME) for label in encoded.labels[rows]]
        return walk.answers[..., sides.columns[1]].sum(-1), sides.goal, labels
    noun, truth = encoded.trained.target.noun, encoded.trained.numbers(rows)
    return walk.severity, noun, [f"{short_name(noun, NAME)} {number:.3g}" for number in truth]


def _captions(meter, change, answers, goal):
    """The text above each frame, S lists of T: "+30 degrees" and below it "dog 0.24".

    change, answers (S, T); change is None where nothing was planted and no factor asked for.
    """
    if change is None:
        return [[f"{short_name(goal, NAME)} {p:.3g}" for p in each] for each in answers]
    told = lambda c: counted(f"{round(float(c), meter.digits) + 0.0:+.{meter.digits}f}", meter.unit)  # noqa: E731
    return [
        [f"{told(c)}\n{short_name(goal, NAME)} {p:.2f}" for c, p in zip(*pair, strict=True)]
        for pair in zip(change, answers, strict=True)
    ]


def between(encoded, pairs, curved=False, frames=21):
    """Interpolations from one item to another, in `interpolations/`: pairs of table rows; along the arc if curved."""
    folder, way = encoded.trained.folder / "interpolations", spherical if curved else linear
    kind = encoded.trained.kind
    for a, b in pairs:
        codes = way(encoded.codes([a]), encoded.codes([b]), frames)
        decoded = walks.decode_codes(encoded.model, codes)
        looked = {"probability": walks.second_look(encoded.model, decoded)}
        looked["discriminator"] = walks.discriminator_scores(encoded.model, codes, encoded.one_hot([a]))
        readings = {f"meter.{n}": r for n, r in walks.measure_all(decoded, encoded.meters).items()}
        shown, name = run_folder.as_stored(decoded, kind), f"{a}-{b}-{'spherical' if curved else 'linear'}"
        arrays = {"share": np.linspace(0, 1, frames), "row": np.array([a, b])}
        run_folder.write_arrays(folder / f"{name}.npz", frames=shown, **arrays, **looked, **readings)
        drawing = encoded.drawing
        there = looked["probability"][0, :: drawing.every, encoded.contrast.columns[1]].sum(0)
        captions = [[f"{p:.2f}" for p in there]]
        title = f"From item {a} to item {b}: probability of {encoded.contrast.goal}"
        strip = plots.strip(drawing.walk(shown[:, :: drawing.every]), captions, title, note=drawing.note)
        save_png(strip, folder / f"{name}.png", dpi=110)
        films.keep(folder / name, drawing.film(shown))
