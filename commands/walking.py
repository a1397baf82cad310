"""The walks of `navigate`: every direction from the same starts, all meters, the null, and what each walk changes."""

import numpy as np
from tqdm.auto import tqdm

import runs
from latent_nav import directions, films, naming, plots, walks
from latent_nav.interpolate import HEATS, linear, spherical, walk_heat

NULL_STARTS, NULL_FRAMES, OTHER_STARTS, STRIP_STARTS, STRIP_EVERY = 8, 5, 8, 6, 2
SHARES = {"clear": 1 / 2, "none": 1 / 9, "meter_error": 1 / 6}  # of the planted shift: 45, 10 and 15 of 90 degrees


def walk_all(tour, starts):
    """Walk every direction and the null; the sections walk, naming and planted of `navigate.json`."""
    scene, alpha = tour.scene, walks.alphas()
    chance = null(tour, starts[:NULL_STARTS])
    spread = naming.spreads(tour.model, tour.z[scene.rows("valid")], tour.meters, tour.rng)
    numbers, tables = {}, {}
    for name in tqdm(tour.directions, "walks", leave=False, disable=None):
        rows = starts if name == tour.main else starts[:OTHER_STARTS]
        walk = one_walk(tour, name, rows, alpha)
        tables[name] = naming.table(walk.readings, alpha, spread, chance, tour.meters, tour.rng)
        numbers[name] = walk_numbers(tour, walk, tables[name], tour.sides_of(tour.directions[name]))
        keep_walk(tour, name, walk, rows)
    forget_others(tour)
    frames = {"direction": tour.main, "starts": len(starts), "frames": len(alpha)}
    frames |= {"random_directions": len(chance[tour.meter.name])}
    frames |= {"random_change": median_size(chance[tour.meter.name])}
    frames |= {"random_span_deg": median_size(chance["rotation"])}
    told = {n: {"sentence": naming.sentence(t, tour.meters), "named": named(t), "meters": t} for n, t in tables.items()}
    return {"walk": numbers[tour.main] | frames | {"by_direction": numbers}, "naming": told} | planted(tour, starts)


def named(table):
    """Names of the meters that a walk changes beyond chance, strongest first."""
    return [row["meter"] for row in table if row["named"]]


def median_size(values):
    """Median of |values|."""
    return float(np.median(np.abs(values)))


def one_walk(tour, name, rows, alpha):
    """The Walk along one direction from table rows."""
    target = tour.scene.classes.index(tour.sides_of(tour.directions[name]).last[-1])
    return walks.walk(
        tour.model, tour.codes(rows), tour.one_hot(rows), tour.directions[name], alpha, tour.meters, target
    )


def null(tour, starts):
    """What random directions at right angles to the main one do to every meter; kept in `walks/random.npz`."""
    k, z = tour.scene.config["random_directions"], tour.z[tour.scene.rows("train")]
    chosen = directions.random_directions(k, z, tour.rng, tour.way)
    changes = naming.null(tour.model, tour.codes(starts), chosen, walks.alphas(NULL_FRAMES), tour.meters)
    cosine = np.array([d.vector @ tour.way.vector for d in chosen])
    arrays = {f"change.{name}": change for name, change in changes.items()}
    runs.write_arrays(tour.scene.folder / "walks" / "random.npz", cosine=cosine, **arrays)
    return changes


def walk_numbers(tour, walk, table, sides):
    """What one walk says of the planted factor, of rotation, of the decision and of the discriminator."""
    by_meter = {row["meter"]: row for row in table}
    own, turn = by_meter[tour.meter.name], by_meter["rotation"]
    spans = np.abs(tour.meters["rotation"].between(walk.readings["rotation"][:, 0], walk.readings["rotation"][:, -1]))
    decided = walk.probability.argmax(-1)
    there = walk.probability[..., [tour.scene.classes.index(c) for c in sides.last]].sum(-1)
    return {
        "meter": own["meter"],
        "unit": own["unit"],
        "change": own["change"],
        "change_ci": own["change_ci"],
        "change_words": own["words"],
        "spearman": own["spearman"],
        "p_value": own["p"],
        "match": float(np.median(walk.match[:, -1])),
        "probability_first": float(there[:, 0].mean()),
        "probability_last": float(there[:, -1].mean()),
        "accepted": None if walk.discriminator is None else float((walk.discriminator > tour.floor).mean()),
        "flips": float((decided[:, 0] != decided[:, -1]).mean()),
        "rotation_span_deg": float(np.median(spans)),
        "rotation_span_deg_ci": walks.median_interval(spans, tour.rng),
        "rotation_spearman": turn["spearman"],
    }


def planted(tour, starts):
    """How far the factor was planted, in its meter's unit, what follows for thresholds, and the error of gate 1."""
    scene, bias = tour.scene, tour.scene.bias
    x, middles = scene.upright(starts), list(bias.middles().values())
    shift = walks.planted_shift(x, scene.plant, middles[0], middles[-1], tour.meter)
    limits = {name: share * abs(shift) for name, share in SHARES.items()}
    error = walks.reconstruction_error(tour.model, x, scene.plant, bias.grid(), tour.meter)
    about = {"meter": tour.meter.name, "unit": tour.meter.unit, "shift": shift, "limits": limits}
    rule = vars(naming.RULE)
    return {"planted": about, "meter": {"reconstruction_error": error}, "thresholds": {"naming": dict(rule)}}


# ---- what is kept -----------------------------------------------------------------------------------------------


def forget_others(tour):
    """Walks of an earlier navigation along other directions are removed: the report shows all that are there."""
    for path in (tour.scene.folder / "walks").iterdir():
        if path.stem not in (*tour.directions, "random"):
            path.unlink()


def keep_walk(tour, name, walk, rows):
    """One walk as `walks/NAME.npz`, as a strip `.png` and as films `.gif` and `.mp4`."""
    frames, folder = runs.as_pictures(walk.frames), tour.scene.folder / "walks"
    arrays = {"alpha": walk.alpha, "match": walk.match, "probability": walk.probability, "start": rows}
    arrays |= {"discriminator": walk.discriminator} if walk.discriminator is not None else {}
    arrays |= {f"meter.{meter}": reading for meter, reading in walk.readings.items()}
    heats = {f"heat.{kind}": walk_heat(walk.frames, kind).astype(np.float32) for kind in HEATS}
    runs.write_arrays(folder / f"{name}.npz", frames=frames, start_image=tour.planted_images(rows), **arrays, **heats)
    pictures(tour, folder / name, name, frames, walk, heats["heat.integral"])


def pictures(tour, path, name, frames, walk, heat):
    """The strip and the films of one walk."""
    some = np.s_[:STRIP_STARTS, ::STRIP_EVERY]
    reading, digits, last = walk.readings[tour.meter.name], tour.meter.digits, tour.scene.classes[-1]
    captions = [
        [f"{r:.{digits}f}  {p:.2f}" for r, p in zip(*pair, strict=True)]
        for pair in zip((reading - reading[:, :1])[some], walk.probability[..., -1][some], strict=True)
    ]
    title = f"Walk along {name}: change of {tour.meter.name} ({tour.meter.unit}), probability of {last}"
    plots.strip(frames[some], captions, title, heat[:STRIP_STARTS]).savefig(path.with_name(f"{name}.png"), dpi=110)
    if name == tour.main or tour.films:
        films.keep(path, frames)


def between(tour, pairs, curved=False, frames=21):
    """Interpolations from one item to another, in `interpolations/`: pairs of table rows; along the arc if curved."""
    folder, way = tour.scene.folder / "interpolations", spherical if curved else linear
    for a, b in pairs:
        codes = way(tour.codes([a]), tour.codes([b]), frames)
        decoded = walks.decode(tour.model, codes)
        looked = {"probability": walks.second_look(tour.model, decoded)}
        looked["discriminator"] = walks.scores(tour.model, codes, tour.one_hot([a]))
        readings = {f"meter.{n}": r for n, r in walks.measure_all(decoded, tour.meters).items()}
        shown, name = runs.as_pictures(decoded), f"{a}-{b}-{'spherical' if curved else 'linear'}"
        arrays = {"share": np.linspace(0, 1, frames), "row": np.array([a, b])}
        runs.write_arrays(folder / f"{name}.npz", frames=shown, **arrays, **looked, **readings)
        captions = [[f"{p:.2f}" for p in looked["probability"][0, ::STRIP_EVERY, -1]]]
        title = f"From item {a} to item {b}: probability of {tour.scene.classes[-1]}"
        plots.strip(shown[:, ::STRIP_EVERY], captions, title).savefig(folder / f"{name}.png", dpi=110)
        films.keep(folder / name, shown)
