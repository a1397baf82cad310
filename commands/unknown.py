"""`audit --unknown RUN`: what the most discriminant direction of a run changes, where nobody knows a factor."""

from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

import runs
from audit.statistics import auroc, holm, interval
from commands.scene import fast, generator, open_scene
from commands.tour import begin, find_directions
from commands.walking import median_size, null, one_walk
from latent_nav import directions, naming, plots, walks
from latent_nav.photometry import measure_all
from report import write_unknown_page

STARTS, NULL_STARTS, SHUFFLES, SHUFFLED_STARTS, FRAMES = 32, 8, 20, 6, 5
REAL, DRAWS, SHOWN = 400, 500, 5  # real pictures measured, bootstrap draws, starts in the picture


def unknown(run):
    """Write `unknown.json`, `unknown.png` and `unknown.html` into the folder of a run; what unknown.json holds.

    By meter: the change along the LDA direction beside random directions, how often directions fitted to shuffled
    labels would name something, and how far real held-out pictures of the classes differ anyway. InputError for a
    folder that is no trained run.
    """
    scene = open_scene(run)
    with fast(scene.config), tqdm(total=4, desc="unknown", leave=False, disable=None) as bar:
        done = lambda what: (bar.set_description(what), bar.update())  # noqa: E731
        tour = begin(scene)
        find_directions(tour, ["lda"])
        done("walk")
        rows, alpha = scene.starts(STARTS, generator(scene.config, 3)), walks.alphas()
        walk, spread = one_walk(tour, "lda", rows, alpha), spreads(tour)
        done("random directions")
        chance = null(tour, rows[:NULL_STARTS])
        table = naming.table(walk.readings, alpha, spread, chance, tour.meters, tour.rng)
        done("shuffled labels")
        shuffled = shuffles(tour, rows[:SHUFFLED_STARTS], spread, chance)
        real = in_real_pictures(tour)
        done("writing")
    draw(tour, walk, Path(run) / "unknown.png")
    found = told(tour, walk, table, shuffled, real, chance)
    runs.write_json(Path(run) / "unknown.json", found)
    write_unknown_page(run)
    return found


def spreads(tour):
    """How far each meter's reading differs between held-out items."""
    return naming.spreads(tour.model, tour.z[tour.scene.rows("valid")], tour.meters, tour.rng)


def shuffles(tour, rows, spread, chance):
    """What directions fitted to shuffled labels name: a list of lists of meters, one for each shuffle."""
    found, alpha, named = tour.evidence(tour.sides), walks.alphas(FRAMES), []
    z = tour.codes(rows)
    for _ in tqdm(range(SHUFFLES), "shuffled labels", leave=False, disable=None):
        mixed = directions.Evidence(found.z, tour.rng.permutation(found.last), None)
        (way,) = directions.fit_directions(mixed, ["lda"])
        readings = measure_all(walks.decode(tour.model, walks.move(z, way, alpha)), tour.meters)
        table = naming.table(readings, alpha, spread, chance, tour.meters, tour.rng)
        named.append([row["meter"] for row in table if row["named"]])
    return named


def in_real_pictures(tour):
    """Of every meter that reads a single picture: how well it tells the classes of held-out pictures apart, as they
    were planted or came. {meter: AUROC (0.5 to 1), low, high, p corrected by Holm for all meters}."""
    scene, rng = tour.scene, tour.rng
    rows = scene.starts(REAL, rng)
    last = np.isin(tour.labels[rows], tour.sides.last)
    absolute = {n: m for n, m in tour.meters.items() if not (m.relative or m.confirms) and n != "hue"}
    readings = measure_all(scene.planted(rows).numpy()[:, None], absolute)
    found = {name: separation(reading[last, 0], reading[~last, 0], rng) for name, reading in readings.items()}
    for row, p in zip(found.values(), holm([row["p"] for row in found.values()]), strict=True):
        row["p"] = float(p)
    return found


def separation(a, b, rng):
    """AUROC of readings a against b, whichever is higher, with a bootstrap interval and p by shuffling."""
    value = auroc(a, b)
    draws = [auroc(rng.choice(a, len(a)), rng.choice(b, len(b))) for _ in range(DRAWS)]
    both = np.concatenate([a, b])
    chance = [auroc(*np.split(rng.permutation(both), [len(a)])) for _ in range(DRAWS)]
    p = (1 + np.sum(np.abs(np.array(chance) - 0.5) >= abs(value - 0.5))) / (DRAWS + 1)
    low, high = interval(draws if value >= 0.5 else 1 - np.array(draws))
    return {"auroc": max(value, 1 - value), "low": low, "high": high, "p": float(p)}


def draw(tour, walk, path):
    """The strip of decoded frames."""
    some = np.s_[:SHOWN, ::2]
    last = tour.sides.last[-1]
    column = walk.probability[..., tour.scene.classes.index(last)][some]
    captions = [[f"{p:.2f}" for p in row] for row in column]
    title = f"Walk from {tour.sides}: probability of {last}"
    plots.strip(runs.as_pictures(walk.frames)[some], captions, title).savefig(path, dpi=110)


def told(tour, walk, table, shuffled, real, chance):
    """What unknown.json holds."""
    config, train = tour.scene.config, runs.read_json(tour.scene.folder / "train.json")
    named = [row["meter"] for row in table if row["named"]]
    decided = walk.probability.argmax(-1)
    return {
        "kind": "unknown",
        "run": str(tour.scene.folder),
        "dataset": config["dataset"],
        "contrast": str(tour.sides),
        "sentence": naming.sentence(table, tour.meters),
        "named": named,
        "meters": table,
        "random_directions": len(next(iter(chance.values()))),
        "random_change": {name: median_size(c) for name, c in chance.items()},
        "shuffled": {"directions": len(shuffled), "that_name_something": sum(map(bool, shuffled)), "named": shuffled},
        "real": real,
        "flips": float((decided[:, 0] != decided[:, -1]).mean()),
        "recon_mse": train["aae"]["recon_mse"],
        "accuracy": train["aae"]["valid_accuracy"],
        "cannot": limits(named, real, train["aae"]["recon_mse"], list(tour.meters), shuffled),
    }


def limits(named, real, mse, meters, shuffled):
    """What cannot be known from this run, in sentences."""
    differ = [n for n, row in real.items() if row["p"] <= 0.05 and row["auroc"] >= 0.6]
    both, alone = [n for n in named if n in differ], [n for n in named if n not in differ]
    found = []
    if both:
        found.append(f"The classes differ in {', '.join(both)} in the real pictures too. That may be what the classes "
                     "are, or how their pictures were made; the model cannot tell you which.")  # fmt: skip
    if alone:
        found.append(f"A change of {', '.join(alone)} along the walk was not found between the real pictures of the "
                     "classes, or no meter reads it in a single picture.")  # fmt: skip
    if not named:
        found.append("Nothing was named. That is no proof of innocence: a shortcut may be one that no meter reads, or "
                     "one that the decoder does not draw.")  # fmt: skip
    n = sum(map(bool, shuffled))
    return found + [
        "Whether the model uses what the walk shows, or only sees it, needs models for which it is useless: there are "
        "none here. A walk shows what goes with the classes in the training data, not what causes the answer.",
        f"Only these quantities have a meter: {', '.join(m.replace('_', ' ') for m in meters)}. Anything else, such as "
        "a texture, an object or a word in the picture, has to be seen in the frames.",
        f"The decoder misses pictures by a mean squared error of {mse:.4f}: small or rare details cannot appear.",
        f"Of {len(shuffled)} directions that were fitted to shuffled labels, {n} would have named something.",
    ]  # fmt: skip


def in_words(found):
    """The finding, what goes with it in the real pictures, and what cannot be known, for the terminal."""
    lines = [f"From {found['contrast']}: {found['sentence']}."]
    lines += [f"  real pictures, {n}: AUROC {r['auroc']:.2f} [{r['low']:.2f}, {r['high']:.2f}], p {r['p']:.3f}"
              for n, r in found["real"].items()]  # fmt: skip
    return "\n".join([*lines, "What this cannot know:", *(f"  - {each}" for each in found["cannot"])])
