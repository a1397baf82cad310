"""`audit --unknown RUN`: what the most discriminant direction of a run changes, where nobody knows a factor.

Of what `navigate` has left in the run nothing is touched: only unknown.json, unknown.png and unknown.html are written.
"""

import shlex
from dataclasses import replace

import numpy as np
from scipy.stats import mannwhitneyu
from tqdm.auto import tqdm

from xaae.experiment import run_folder
from xaae.experiment.settings import options_of
from xaae.experiment.statistics import auroc, aurocs, bootstrap_interval, holm
from xaae.factors.measuring import TURN, measure_all
from xaae.factors.registry import FACTORS
from xaae.latent_nav import directions, naming, plots, walks
from xaae.latent_nav.encoded_run import encode_run, fitted
from xaae.latent_nav.walk_results import (
    NULL_FRAMES,
    NULL_STARTS,
    STRIP_EVERY,
    STRIP_STARTS,
    median_size,
    named,
    one_walk,
)
from xaae.report import write_unknown_page
from xaae.training.trained_run import fast, generator, open_trained_run

KIND, STARTS, SHUFFLES = "lda", 32, 20
LEAST_RANDOM = 39  # with fewer than 19 random directions no meter could reach p = 0.05
REAL, FEWEST, DRAWS = 1000, 5, 1000  # held-out pictures measured, of a class at least; bootstrap draws
DIFFERS = {"p_holm": 0.05, "auroc": 0.6}  # at most; at least, whichever class reads higher


def ask_unknown(run, fits=SHUFFLES):
    """Write `unknown.json`, `unknown.png` and `unknown.html` into the folder of a run; what unknown.json holds.

    By meter: the change along the LDA direction beside random directions and beside `fits` directions fitted to
    shuffled labels, and how far real held-out pictures of the first and the last class differ anyway. InputError for a
    folder that is no trained run.
    """
    trained = open_trained_run(run)
    with fast(trained.config), tqdm(total=4, desc="walk", leave=False, disable=None) as bar:
        done = lambda what: (bar.set_description(what), bar.update())  # noqa: E731
        encoded = encode_run(trained)
        encoded.directions, encoded.main = {KIND: fitted(encoded, KIND)[0]}, KIND
        rows = trained.starts(STARTS, generator(trained.config, 3))
        walk = one_walk(encoded, KIND, rows, walks.alphas())
        done("random directions")
        judge = _judging(encoded, rows[:NULL_STARTS])
        done("shuffled labels")
        shuffled = _shuffles(encoded, rows, judge, fits)
        done("real pictures")
        real, variance = in_real_pictures(encoded, generator(trained.config, 12))
        done("page")
    _draw(encoded, walk, trained.folder / "unknown.png")
    found = _told(encoded, walk, judge, shuffled, real, variance)
    run_folder.write_json(trained.folder / "unknown.json", found)
    write_unknown_page(trained.folder)
    return found


# ---- the walk and its two nulls ---------------------------------------------------------------------------------


def _judging(encoded, starts):
    """{"spread", "chance"}: what `naming.table` needs beside readings; chance as in `navigate`, nothing is written."""
    k, z = max(LEAST_RANDOM, encoded.trained.config["random_directions"]), encoded.z[encoded.trained.rows("train")]
    across = directions.random_directions(k, z, encoded.rng, encoded.way)
    chance = naming.null(encoded.model, encoded.codes(starts), across, walks.alphas(NULL_FRAMES), encoded.meters)
    held_out = encoded.z[encoded.trained.rows("valid")]
    return {"spread": naming.spreads(encoded.model, held_out, encoded.meters, encoded.rng), "chance": chance}


def _table_of(encoded, readings, judge):
    """The naming table of a walk's readings."""
    return naming.naming_table(readings, walks.alphas(), meters=encoded.meters, rng=encoded.rng, **judge)


def _shuffles(encoded, rows, judge, n):
    """The naming tables of n LDA directions fitted to permuted labels: the same starts, steps, meters and rule.

    The latent space itself was learned with the true labels: this asks what a direction that knows nothing of the
    classes would name in it.
    """
    true, z, rng, tables = (
        encoded.evidence(encoded.sides),
        encoded.codes(rows),
        generator(encoded.trained.config, 11),
        [],
    )
    for _ in tqdm(range(n), "shuffled labels", leave=False, disable=None):
        (way,) = directions.fit_directions(replace(true, last=rng.permutation(true.last)), [KIND])
        readings = measure_all(walks.decode_codes(encoded.model, walks.move(z, way, walks.alphas())), encoded.meters)
        tables.append(_table_of(encoded, readings, judge))
    return tables


def beside_shuffled(row, tables):
    """A row of the table with how many shuffled directions name its meter, and its p among their changes."""
    same = [r for table in tables for r in table if r["meter"] == row["meter"]]
    p = walks.p_value(abs(row["change"]), np.abs([r["change"] for r in same]))
    return row | {"shuffled_named": sum(r["named"] for r in same), "p_shuffled": p}


# ---- what the classes differ in anyway --------------------------------------------------------------------------


def in_real_pictures(encoded, rng):
    """({meter: as `separation`, and p_holm, differs}, the pictures' mean variance by pixel).

    Held-out pictures as the model saw them; of every meter that reads a single picture. Empty if a class has too few.
    """
    split = [np.flatnonzero(np.isin(encoded.labels, side)) for side in (encoded.sides.first, encoded.sides.last)]
    valid = encoded.trained.rows("valid")
    first, last = (rng.permutation(np.intersect1d(rows, valid))[: REAL // 2] for rows in split)
    x = encoded.trained.planted(np.concatenate([first, last])).numpy()
    variance = float(x.var(0).mean()) if len(x) else 0.0
    if min(len(first), len(last)) < FEWEST:
        return {}, variance
    absolute = {n: m for n, m in encoded.meters.items() if not (m.relative or m.confirms or m.unit == TURN)}
    readings = measure_all(x[:, None], absolute)
    found = {n: reading_separation(r[: len(first), 0], r[len(first) :, 0], rng) for n, r in readings.items()}
    corrected = holm([row["p"] for row in found.values()])
    return {n: row | differing(row, p) for (n, row), p in zip(found.items(), corrected, strict=True)}, variance


def reading_separation(first, last, rng):
    """AUROC of readings last (M,) over readings first (N,): above 0.5 the last class reads higher.

    With a bootstrap interval over pictures, and p by Mann-Whitney: 1 where all readings are the same.
    """
    draws = aurocs(*(each[rng.integers(0, len(each), (DRAWS, len(each)))] for each in (last, first)))
    low, high = bootstrap_interval(draws)
    p = float(mannwhitneyu(last, first).pvalue) if np.ptp(np.concatenate([first, last])) else 1.0
    return {"auroc": auroc(last, first), "low": low, "high": high, "p": p}


def differing(row, p):
    """p after Holm, and whether the classes differ: beyond chance, and by enough to matter."""
    far = max(row["auroc"], 1 - row["auroc"]) >= DIFFERS["auroc"]
    return {"p_holm": float(p), "differs": bool(far and p <= DIFFERS["p_holm"])}


# ---- what is told -----------------------------------------------------------------------------------------------


def _draw(encoded, walk, path):
    """The strip of decoded frames."""
    some, last = np.s_[:STRIP_STARTS, ::STRIP_EVERY], encoded.sides.last[-1]
    column = walk.probability[..., encoded.trained.classes.index(last)][some]
    captions = [[f"{p:.2f}" for p in row] for row in column]
    title = f"Walk from {encoded.sides}: probability of {last}"
    plots.strip(run_folder.as_pictures(walk.frames)[some], captions, title).savefig(path, dpi=110)


def _told(encoded, walk, judge, shuffled, real, variance):
    """What unknown.json holds."""
    config, aae = encoded.trained.config, run_folder.read_json(encoded.trained.folder / "train.json")["aae"]
    table = [beside_shuffled(row, shuffled) for row in _table_of(encoded, walk.readings, judge)]
    decided, null = walk.probability.argmax(-1), [named(each) for each in shuffled]
    found = {key: config[key] for key in ("dataset", "arm", "factor", "classes")}
    found["options"] = options_of(config)
    found |= {"kind": "unknown", "run": str(encoded.trained.folder), "contrast": str(encoded.sides)}
    found |= {"first": encoded.sides.first[0], "last": encoded.sides.last[-1], "starts": len(decided)}
    found |= {"sentence": naming.naming_sentence(table, encoded.meters), "named": named(table), "meters": table}
    found["random_directions"] = len(next(iter(judge["chance"].values())))
    found["random_change"] = {name: median_size(change) for name, change in judge["chance"].items()}
    found["shuffled"] = {"directions": len(null), "that_name_something": sum(map(bool, null)), "named": null}
    found |= {"real": real, "flips": float((decided[:, 0] != decided[:, -1]).mean())}
    found |= {"recon_mse": aae["recon_mse"], "variance": variance, "accuracy": aae["valid_accuracy"]}
    return found | {"cautions": cautions(found), "cannot": cannot_know(found), "next": next_steps(found)}


def _listed(names):
    """Names of meters in a sentence: "x, y and edge darkness"."""
    *front, end = [name.replace("_", " ") for name in names]
    return f"{', '.join(front)} and {end}" if front else end


def cautions(found):
    """What has to be known before the finding is read: sentences, mostly none."""
    null, arm, factor = found["shuffled"], found["arm"], found["factor"]
    said = []
    if arm != "normal":
        said.append(
            f"This run planted {factor} itself (arm {arm}): what the walk shows may be that. To ask about the pictures "
            "as they came, train with --arm normal."
        )
    if null["that_name_something"] > naming.RULE.p_any * null["directions"]:
        said.append(
            f"{null['that_name_something']} of {null['directions']} directions fitted to shuffled labels name "
            "something too. In this latent space a name alone is weak evidence: look at the last columns of the table."
        )
    if found["flips"] < 0.5:
        said.append(
            f"The model changes its mind in {found['flips']:.0%} of the walks only: what the walk changes is not what "
            "decides most of its answers."
        )
    return said


def cannot_know(found):
    """What cannot be known from this run, in sentences tied to what was found."""
    mse, share = found["recon_mse"], found["recon_mse"] / (found["variance"] or float("inf"))
    said = [
        *_about_classes(found),
        "Whether the model uses what the walk shows, or only sees it, cannot be told: that needs control models, for "
        "which the factor is there and useless, and there are none here.",
        "A walk shows what goes with the classes in the training data. What goes together need not be cause and "
        "effect: a quantity without a meter may stand behind one that has one.",
        f"Only these quantities have a meter: {_listed(r['meter'] for r in found['meters'])}. What none of them reads "
        "cannot be named: a texture, an object or a word in the picture has to be seen in the frames.",
        f"What the decoder cannot draw cannot appear. It misses the pictures by a mean squared error of {mse:.4f}, "
        f"{share:.0%} of their variance: "
        + ("it has not learned to draw them." if share >= 1 else "small and rare details are lost first."),
    ]
    if len(found["classes"]) > 2:
        said.append(
            f"Of {len(found['classes'])} classes only the first and the last were compared: {found['contrast']}."
        )
    return said


def _about_classes(found):
    """What the named meters, beside the real pictures, leave open: sentences."""
    real, rows = found["real"], {row["meter"]: row for row in found["meters"]}
    seen = [name for name in found["named"] if name in real]
    differ, same = [n for n in seen if real[n]["differs"]], [n for n in seen if not real[n]["differs"]]
    said = [_both(found, name, rows[name]["change"]) for name in differ]
    if same:
        said.append(
            f"The walk changes {_listed(same)}, in which the real pictures of {found['first']} and {found['last']} were "
            "not found to differ. It may be a side effect of the decoder, or a difference too small for these pictures."
        )
    if unread := [name for name in found["named"] if name not in real]:
        why = "is only read between frames" if real else "was not read in real pictures: a class has too few held out"
        said.append(
            f"The walk changes {_listed(unread)}, which {why}. Whether the classes differ in it has to be looked up in "
            "the pictures."
        )
    if not found["named"]:
        said.append(
            "Nothing was named. That does not clear the model: a shortcut may be one that no meter reads, or one that "
            "the decoder does not draw."
        )
    hidden = [name for name in real if real[name]["differs"] and name not in found["named"]]
    if hidden:
        said.append(
            f"The real pictures of the classes differ in {_listed(hidden)}, which the walk was not found to change. The "
            "model may use it all the same, where the decoder or this one direction does not show it."
        )
    return said


def _both(found, name, change):
    """What it means that a meter changes on the walk and differs between the classes in the real pictures too."""
    row, what = found["real"][name], name.replace("_", " ")
    higher = found["last"] if row["auroc"] > 0.5 else found["first"]
    start = f"Real pictures of {higher} read higher in {what} (AUROC {max(row['auroc'], 1 - row['auroc']):.2f})"
    if (change > 0) == (row["auroc"] > 0.5):
        return (
            f"{start}, as on the walk. That may be a genuine property of the classes, or how their pictures were "
            "made: this run cannot tell which."
        )
    return f"{start}, the other way round than on the walk: the walk's {what} is not simply what the pictures show."


def next_steps(found):
    """What to do next: a list of {"text", "command"}, the command "" where there is none."""
    known = [f.name for f in FACTORS.values() if f.meter in found["named"]]
    factor = known[0] if known else "brightness"
    start = f"Train again with {factor} made useless" if known else "Make a factor that you suspect useless"
    data, same = shlex.quote(str(found["dataset"])), found.get("options", "")
    return [
        {
            "text": f"{start}: planted, the same in all classes. If the accuracy holds, the classes can be told "
            "without it; if it falls, that is a sign, no proof, that this model leaned on it.",
            "command": f"python main.py --dataset {data} --factor {factor} --arm irrelevant{same}",
        },
        {
            "text": "Collect pictures in which it is balanced between the classes, train on them, and ask again.",
            "command": "",
        },
        {
            "text": "See whether these data and models can show such a factor at all: plant it in your own pictures, "
            "where the truth is known, with control models.",
            "command": f"python main.py audit --dataset {data} --factors {factor}",
        },
    ]


def _at_least(p):
    """A p value in words: "= 0.012", or "< 0.001"."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def unknown_in_words(found):
    """The finding, its nulls, the real pictures, what cannot be known and what to do next, for the terminal."""
    null = found["shuffled"]
    lines = [f"From {found['contrast']}, the decoded picture {found['sentence']}."]
    lines += [f"Of {null['directions']} directions fitted to shuffled labels, {null['that_name_something']} name "
              f"something; {found['random_directions']} random directions gave the p values."]  # fmt: skip
    lines += [f"Caution: {each}" for each in found["cautions"]]
    lines += [f"Real pictures, AUROC of {found['last']} over {found['first']}:"] if found["real"] else []
    lines += [f"  {n.replace('_', ' ')}: {r['auroc']:.2f} [{r['low']:.2f}, {r['high']:.2f}], p {_at_least(r['p_holm'])}"
              for n, r in found["real"].items()]  # fmt: skip
    lines += ["What this cannot know:", *(f"  - {each}" for each in found["cannot"]), "What to do next:"]
    return "\n".join([*lines, *(f"  - {s['text']} {s['command']}".rstrip() for s in found["next"])])
