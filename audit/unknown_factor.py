"""What the most discriminant direction of a run changes, where nobody knows a factor (`audit --unknown RUN`).

Of what `navigate` has left in the run nothing is touched: only unknown.json and unknown.png are written.
"""

from dataclasses import replace

import numpy as np
from tqdm.auto import tqdm

from xaae.audit.class_differences import class_differences
from xaae.audit.unknown_sentences import caution_sentences, limit_sentences, next_steps
from xaae.experiment import run_folder
from xaae.experiment.command_settings import ScanSettings
from xaae.experiment.device import autocast_in
from xaae.experiment.factor_questions import question_rows
from xaae.experiment.figure_style import save_png
from xaae.experiment.manifest import recording
from xaae.experiment.seeds import generator
from xaae.factors.measuring import measure_all
from xaae.latent_nav import directions, naming, plots, walks
from xaae.latent_nav.encoded_run import encode_run, fitted
from xaae.latent_nav.walk_results import (
    NULL_FRAMES,
    NULL_STARTS,
    STRIP_STARTS,
    median_size,
    named,
    one_walk,
)
from xaae.scan.scan_run import scan
from xaae.training.trained_run import open_trained_run

KIND, STARTS, SHUFFLES = "lda", 32, 20
LEAST_RANDOM = 39  # with fewer than 19 random directions no meter could reach p = 0.05


def ask_unknown(run, fits=SHUFFLES, data_root=None):
    """Write `unknown.json` and `unknown.png` into the folder of a run; what unknown.json holds.

    By meter: the change along the LDA direction beside random directions and beside `fits` directions fitted to
    shuffled labels, and how far real held-out items of the first and the last class differ anyway. InputError for a
    folder that is no trained run.
    """
    trained = open_trained_run(run, data_root=data_root)
    run_folder.check_writable(trained.folder, "folder")
    with autocast_in(trained.config.precision), tqdm(total=4, desc="walk", leave=False, disable=None) as bar:
        step = lambda title: (bar.set_description(title), bar.update())  # noqa: E731
        encoded = encode_run(trained)
        encoded.directions, encoded.main = {KIND: fitted(encoded, KIND)[0]}, KIND
        rows = encoded.starts(STARTS)
        walk = one_walk(encoded, KIND, rows, walks.alphas())
        step("random directions")
        yardstick = _measure_chance(encoded, rows[:NULL_STARTS])
        step("shuffled labels")
        shuffled = _walk_shuffled(encoded, rows, yardstick, fits)
        step(f"real {trained.kind.plural}")
        real, variance = class_differences(encoded, generator(trained.config.seed, "class differences"))
    table = [beside_shuffled(row, shuffled) for row in _table_of(encoded, walk.readings, walk.frames, yardstick)]
    found = _about_run(encoded, variance) | _about_walk(encoded, walk, table) | {"real": real}
    found |= _about_nulls(yardstick["chance"], shuffled)
    found["questions"] = _three_questions(trained.folder, data_root, table)
    found |= {"cautions": caution_sentences(found), "cannot": limit_sentences(found), "next": next_steps(found)}
    with recording(trained.folder):
        save_png(_draw_strip(encoded, walk), trained.folder / "unknown.png", dpi=110)
        run_folder.write_json(trained.folder / "unknown.json", found)
    return found


def _three_questions(folder, data_root, naming):
    """The rows of `question_rows` of a run, which is scanned now if it was not."""
    kept = folder / "scan.json"
    scanned = run_folder.read_json(kept) if kept.is_file() else scan(folder, ScanSettings(data_root=data_root))[0]
    return question_rows(scanned, naming)


# ---- the two nulls ----------------------------------------------------------------------------------------------


def _measure_chance(encoded, starts):
    """{"spread", "chance"}: what `naming_table` needs beside readings; chance as in `navigate`, nothing is written."""
    trained = encoded.trained
    k, z = max(LEAST_RANDOM, trained.config.random_directions), encoded.evidence(encoded.sides).z
    across = directions.random_directions(k, z, encoded.rng, encoded.way)
    chance = naming.null(encoded.model, encoded.codes(starts), across, walks.alphas(NULL_FRAMES), encoded.meters)
    held_out = encoded.evidence(encoded.sides, "valid").z
    return {"spread": naming.spreads(encoded.model, held_out, encoded.meters, encoded.rng), "chance": chance}


def _table_of(encoded, readings, frames, yardstick):
    """The naming table of a walk's readings, its names checked in its frames."""
    table = naming.naming_table(readings, walks.alphas(), meters=encoded.meters, rng=encoded.rng, **yardstick)
    return naming.checked_names(table, frames, encoded.meters)


def _walk_shuffled(encoded, rows, yardstick, n):
    """The naming tables of n LDA directions fitted to permuted labels: the same starts, steps, meters and rule.

    The latent space itself was learned with the true labels: this asks what a direction that knows nothing of the
    classes would name in it.
    """
    evidence, z = encoded.evidence(encoded.sides), encoded.codes(rows)
    rng, tables = generator(encoded.trained.config.seed, "shuffled labels"), []
    for _ in tqdm(range(n), "shuffled labels", leave=False, disable=None):
        (direction,) = directions.fit_directions(replace(evidence, last=rng.permutation(evidence.last)), [KIND])
        frames = walks.decode_codes(encoded.model, walks.move(z, direction, walks.alphas()))
        tables.append(_table_of(encoded, measure_all(frames, encoded.meters), frames, yardstick))
    return tables


def beside_shuffled(row, tables):
    """A row of the table with how many shuffled directions name its meter, and its p among their changes."""
    same = [r for table in tables for r in table if r["meter"] == row["meter"]]
    p = walks.p_value(abs(row["change"]), np.abs([r["change"] for r in same]))
    return row | {"shuffled_named": sum(r["named"] for r in same), "p_shuffled": p}


# ---- what is drawn and written ----------------------------------------------------------------------------------


def _draw_strip(encoded, walk):
    """The strip of decoded frames, a figure."""
    drawing, last = encoded.drawing, encoded.sides.last[-1]
    shown = np.s_[:STRIP_STARTS, :: drawing.every]
    probability = walk.probability[..., encoded.trained.classes.index(last)][shown]
    captions = [[f"{p:.2f}" for p in row] for row in probability]
    title = f"Walk from {encoded.sides}: probability of {last}"
    frames = run_folder.as_stored(walk.frames[shown], encoded.trained.kind)
    return plots.strip(drawing.walk(frames), captions, title, note=drawing.note)


def _about_run(encoded, variance):
    """What unknown.json says of the run; variance: of its items."""
    trained = encoded.trained
    aae = run_folder.read_json(trained.folder / "train.json")["aae"]
    about = {key: getattr(trained.config, key) for key in ("dataset", "arm", "factor", "classes")}
    about |= {"options": trained.config.options(), "kind": "unknown", "run": str(trained.folder)}
    about |= {"item_kind": trained.kind.name}
    beside = ("balanced_accuracy", "majority_share", "majority_class")
    about |= {name: aae.get(f"valid_{name}") for name in beside}  # an earlier version did not measure them
    return about | {"recon_mse": aae["recon_mse"], "variance": variance, "accuracy": aae["valid_accuracy"]}


def _about_walk(encoded, walk, table):
    """What unknown.json says of the walk; table: its naming table beside both nulls."""
    on_last, sides = encoded.sides.favours_last(walk.probability), encoded.sides
    about = {"contrast": str(sides), "first": sides.first[0], "last": sides.last[-1], "starts": len(on_last)}
    about |= {"sentence": naming.naming_sentence(table, encoded.meters), "named": named(table), "meters": table}
    return about | {"flips": float((on_last[:, 0] != on_last[:, -1]).mean())}


def _about_nulls(chance, shuffled):
    """What unknown.json says of random directions {meter: (R,)} and of the tables of shuffled ones."""
    names = [named(table) for table in shuffled]
    about = {"random_directions": len(next(iter(chance.values())))}
    about["random_change"] = {name: median_size(change) for name, change in chance.items()}
    counted = {"directions": len(names), "that_name_something": sum(map(bool, names)), "named": names}
    return about | {"shuffled": counted}
