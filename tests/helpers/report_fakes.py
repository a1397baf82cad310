"""Made-up run folders for the tests of the report: as the commands write them, with small random pictures.

test_report_fakes.py holds them against a run folder that the commands did write.
"""

import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from helpers.scan_fakes import write_scan
from xaae.experiment.run_folder import write_arrays, write_json
from xaae.experiment.settings import RunConfig
from xaae.experiment.vocabulary import COLUMNS, MODELS
from xaae.experiment.walk_words import FADE, GLIDE
from xaae.explain.process.status import Row, write_status
from xaae.factors.registry import FACTORS
from xaae.report import write_report

S, T, A, N, V, R, D = 5, 7, 3, 20, 12, 30, 4  # starts, frames, values, items, held-out items, random directions, dims
SIZE = 16  # pixels a side
UNITS = {"rotation": "degrees", "luminance": "of full scale", "sharpness": "octaves"}  # of meters
SHIFT = {"rotation": 90.0, "brightness": 0.18, "blur": -0.9}  # of the meter's reading, between the classes' middles
WORDS = {
    "rotation": "turns left by 92 degrees",
    "brightness": "gets brighter by 0.18",
    "blur": "gets blurrier by 0.92 octaves",
}
DIRECTIONS = {"lda": "lda", "head": "head", "gradient": "gradient", "pca_1": "pca", "dim_7": "dims", "dim_11": "dims"}
KEPT = tempfile.TemporaryDirectory(prefix="xaae-fakes-")  # gone when this process ends
METHODS = ("saliency", "<b>lime</b>")  # names are to be escaped


def fake_run(folder, classes=("cat", "dog"), channels=3, config=None, walk=None, factor="rotation", named=()):
    """A whole run folder. config, walk: entries instead of the usual ones; named: more rows of the naming table."""
    shutil.copytree(usual_files(tuple(classes), channels, factor), folder, dirs_exist_ok=True)
    low, high = FACTORS[factor].whole
    middle = (low + high) / 2
    ranges = dict(zip(classes, ((low, middle), (middle, high)), strict=True))
    write_json(folder / "config.json", fake_config(factor, classes, ranges, channels) | (config or {}))
    write_numbers(folder, {**walk_numbers(factor), **(walk or {})}, classes, factor, named)
    return folder


@cache
def usual_files(classes, channels, factor):
    """A folder with the tables, arrays and pictures of a run, written once; `fake_run` copies it."""
    rng, folder = np.random.default_rng(0), Path(tempfile.mkdtemp(dir=KEPT.name))
    (folder / "samples").mkdir()
    write_tables(folder, classes, factor, rng)
    write_walks(folder, rng, channels, FACTORS[factor].meter)
    write_codes(folder, rng, channels)
    write_answers(folder, rng, classes, channels)
    write_scan(folder, np.random.default_rng(1), classes, channels, factor)
    for model in MODELS:
        write_tiles(folder, rng, classes, model)
    Image.fromarray(pictures(rng, channels=3, size=48)).save(folder / "samples" / "epoch_0004.png")
    return folder


def page(folder):
    """The written page as text."""
    return write_report(folder).read_text(encoding="utf-8")


def fake_config(factor="rotation", classes=("cat", "dog"), ranges=None, channels=3):
    """What config.json holds."""
    ranges = {"cat": (0, 90), "dog": (90, 180)} if ranges is None else ranges
    return RunConfig(
        dataset="pets", dataset_note="pets, see https://example.org", arm="biased", factor=factor, seed=3,
        factor_about=FACTORS[factor].about(), classes=tuple(classes), ranges=ranges, class_ranges=ranges,
        input_size=SIZE, input_channels=channels, epochs=4, baseline_epochs=2, precision="fp32",
        versions={"numpy": "2"}, command="python main.py train",
    ).as_dict()  # fmt: skip


def pictures(rng, *lead, channels=1, size=SIZE):
    """Random pictures (*lead, size, size, channels) uint8."""
    return rng.integers(0, 255, (*lead, size, size, channels), dtype=np.uint8)


# ---- tables -----------------------------------------------------------------------------------------------------


def write_tables(folder, classes, factor, rng):
    """items.csv, the two histories, skipped.csv, correlations.csv."""
    low, high = FACTORS[factor].whole
    rows = [
        (f"{i}.png", classes[i % 2], "valid", f"g{i}", factor, low + (high - low) / 2 * (rng.uniform() + i % 2))
        for i in range(N)
    ]
    items = pd.DataFrame(rows, columns=COLUMNS)
    items = items.assign(coat=["ab"[i % 3 > 0] for i in range(N)], ear_size=np.arange(N) / 7, maker="same")
    items.round(3).to_csv(folder / "items.csv", index=False)
    _history("reconstruct reconstruct adversarial".split()).to_csv(folder / "history.csv", index=False)
    baseline = {"epoch": [1], "stage": ["baseline"], "train_loss": [0.5], "valid_loss": [0.4], "accuracy": [0.9]}
    baseline |= {"precision": [0.9], "recall": [0.9], "time": ["00:10"]}
    pd.DataFrame(baseline).to_csv(folder / "baseline_history.csv", index=False)
    skipped = pd.DataFrame({"path": ["<i>bad</i>.png"], "reason": ["not an image"]})
    skipped.to_csv(folder / "skipped.csv", index=False)
    correlations = [("value", 12, 0.7, 0.001, 0.002), ("ear_size", 12, 0.1, 0.5, 1.0), ("seed", 0, None, None, None)]
    names = "factor items within_class_spearman p p_holm".split()
    pd.DataFrame(correlations, columns=names).to_csv(folder / "correlations.csv", index=False)


def _history(stages):
    """history.csv of an AAE: one row for each of `stages`."""
    names = "loss reconstruction adversarial discriminator classification accuracy precision recall".split()
    names += "discriminator_accuracy code_mean_norm code_cov_error".split()
    columns = [f"{part}_{name}" for part in ("train", "valid") for name in names]
    values = {c: np.linspace(0.9, 0.4, len(stages)) + 0.01 * i for i, c in enumerate(columns)}
    values["train_reconstruction"][1] = np.nan
    return pd.DataFrame({"epoch": range(1, len(stages) + 1), "stage": stages, **values, "time": "00:01"})


# ---- numbers ----------------------------------------------------------------------------------------------------


def walk_numbers(factor):
    """The scores of a walk that follows the factor fully."""
    meter, change = FACTORS[factor].meter, SHIFT[factor] * 92 / 90
    walk = {"meter": meter, "unit": UNITS[meter], "change": change, "change_ci": sorted([change * 0.9, change * 1.1])}
    walk |= {"change_words": WORDS[factor], "spearman": 0.98, "p_value": 0.0099, "match": 0.93}
    walk |= {"probability_first": 0.02, "probability_last": 0.99, "accepted": 0.8, "flips": 1.0}
    walk |= {"frame_change": 0.6, "start_groups": None, "spacing": "arc"}
    walk |= {"largest_step": abs(change) * 0.21, "largest_step_share": 0.21, "ends_explain": 0.5}
    walk |= {"real_ends_explain": 0.52, "path_step_share": {"alpha": 0.4, "arc": 0.18}, "answers_of": "AAE"}
    walk |= {"undone_match": 0.97}
    walk |= {"rotation_span_deg": 92.0, "rotation_span_deg_ci": [85.0, 97.0], "rotation_spearman": 0.98}
    walk |= {"direction": "lda", "starts": S, "frames": T, "random_directions": R}
    return walk | {"random_change": abs(change) / 15, "random_span_deg": 6.0}


LED_NUMBERS = {"starts": S, "reach": 3.0, "brought_over": 0.9, "random_change": 6.0}  # of walks that classifiers lead
LED_NUMBERS |= {"own_probability_first": 0.04, "own_probability_last": 0.97}
OF_THE_MAIN_WALK = "direction starts frames random_directions random_change random_span_deg".split()


def limits(factor):
    """The planted shift, and what is clear, none, or too blind compared with it, in the meter's unit."""
    meter, size = FACTORS[factor].meter, abs(SHIFT[factor])
    found = {"clear": size / 2, "none": size / 9, "meter_error": size / 6}
    return {"meter": meter, "unit": UNITS[meter], "shift": SHIFT[factor], "limits": found}


def naming_row(meter, unit, words, named, change=1.0):
    """One row of the naming table."""
    row = {"meter": meter, "unit": unit, "change": change, "change_ci": [change * 0.9, change * 1.1], "spread": 1.0}
    row |= {"spreads": abs(change), "times_chance": 3.0, "spearman": 0.9, "p": 0.01, "p_any": 0.02}
    row |= {"largest_step_share": 0.21}
    return row | {"words": words, "named": named}


def _naming(factor, walk, more):
    """The naming table of every direction: the planted factor's meter where the walk is clear, and `more` rows."""
    meter = FACTORS[factor].meter
    change = walk["change"] or 0.0
    clear = abs(change) >= limits(factor)["limits"]["clear"]
    rows = [naming_row(meter, UNITS[meter], walk["change_words"], clear, change), *more]
    rows.append(naming_row("saturation", "of full scale", "gets more colourful by 0.01", False, 0.01))
    sentence = "; ".join([r["words"] for r in rows if r["named"]] + ["no other factor beyond chance"])
    names = [r["meter"] for r in rows if r["named"]]
    return {name: {"sentence": sentence, "named": names, "meters": rows} for name in DIRECTIONS}


def write_numbers(folder, walk, classes, factor, named):
    """train.json, navigate.json, explain.json."""
    write_json(folder / "train.json", _train())
    write_json(folder / "navigate.json", _navigate(walk, classes, factor, named))
    swings = {name: {"swing": 0.9} for name in classes}
    explain = {"response": {model: swings for model in MODELS}, "spurious_score": {"aae": 0.9, "baseline": 0.8}}
    explain |= {"gradcam": {"unrotated_ncc": 0.95} if factor == "rotation" else {}, "seconds": 1.0}
    write_json(folder / "explain.json", explain)


def _train():
    """What train.json holds."""
    scores = {"valid_precision": 0.97, "valid_recall": 0.96, "valid_balanced_accuracy": 0.97}
    scores |= {"valid_majority_class": "cat", "valid_majority_share": 0.6, "valid_constant_answer": None}
    aae = {
        "valid_accuracy": 0.98,
        **scores,
        "recon_mse": 0.011,
        "recon_agreement": 0.9,
        "recon_judge_accuracy": 0.99,
        "parameters": 12345,
        "epochs": 4,
    }
    aae |= {"seconds": 20.0, "images_per_second": 90.0, "processes": 1}
    baseline = {"valid_accuracy": 0.99, **scores, "parameters": 21000000, "pretrained": True, "note": "ImageNet"}
    baseline |= {"seconds": 10.0, "epochs": 3}
    items = {"train": 8, "valid": 12, "test": 0, "skipped": 1}
    return {"aae": aae, "baseline": baseline, "items": items, "seconds": {"total": 30.0}}


def _navigate(walk, classes, factor, named):
    """What navigate.json holds."""
    own = {key: value for key, value in walk.items() if key not in OF_THE_MAIN_WALK}
    impact = {"spearman": 0.9, "within_class_spearman": 0.7, "slope": 100.0, "baseline_spearman": 0.75}
    impact |= {"baseline_within_class_spearman": float("nan"), "baseline_slope": 80.0}
    return {
        "directions": {name: _direction(name, kind, classes) for name, kind in DIRECTIONS.items()},
        "dimensions": [{"dimension": 7, "auc": 0.9, "cohens_d": 1.2}],
        "walk": {**walk, "by_direction": {name: own for name in DIRECTIONS} | {"dim_11": own | LED_NUMBERS}},
        "naming": _naming(factor, walk, named),
        "planted": limits(factor),
        "meter": {"reconstruction_error": abs(SHIFT[factor]) / 18},
        "thresholds": {
            "naming": {"spreads": 1.0, "p_any": 0.05, "spearman": 0.8},
            "glide": {"largest_step_share": GLIDE, "ends_explain": FADE},
        },
        "counterfactual": _counterfactual(),
        "impact": impact,
        "agreement": {},
        "health": _health(),
        "options": {"directions": [], "contrast": "", "away": [], "spacing": "arc", "of": None, "command": ""},
        "left_out": {},
        "seconds": 4.0,
    }


def _direction(name, kind, classes):
    """What is known of one direction."""
    about = {"title": f"title of {name}", "note": "A note from the run", "contrast": " to ".join(classes), "kind": kind}
    about |= {"leads_to": [classes[-1]]}
    return about | {
        "leader": None,
        "reach": 3.0,
        "spearman": None,
        "stability": 0.93,
        "auc": 0.991,
        "cohens_d": 3.4,
        "cosine": 1.0,
    }


def _counterfactual():
    """The numbers of the counterfactuals."""
    shares = {"items": 64, "flipped": 0.98, "flipped_when_seen": 0.91, "already": 0.02, "accepted": 0.95}
    distances = {"distance_of_the_head": 1.5, "distance": 1.83, "nearest_other": 3.12, "shorter": 0.92}
    words = {"sentence": "gets warmer by 0.20", "sides": ["cat", "dog"]}
    return {**shares, "acceptance_floor_percentile": 5, **distances, **words}


def _health():
    """The health of the latent space; the p of one test is not a number."""
    found = {"items": 12, "dimensions": D, "sliced_wasserstein": 0.131, "sliced_wasserstein_expected": 0.094}
    found |= {"effective_rank": 3.2, "participation_ratio": 2.9, "eigenvalues": [2.0, 1.0, 0.5, 0.1]}
    found |= {"first_share": 0.5, "henze_zirkler": 1.0, "henze_zirkler_p": float("nan")}
    found |= {"normality_rejected_share": 0.25, "zeros_share": 0.0, "negatives_share": 0.5, "dead_share": 0.0}
    found |= {"probe_r2": {"value": 0.91, "ear_size": -0.03}, "probe_balanced_accuracy": {"coat": 0.6}}
    dci = {"disentanglement": 0.21, "completeness": 0.18, "informativeness": 0.55}
    return found | {"skipped": ["maker"], "dci": dci}


# ---- arrays -----------------------------------------------------------------------------------------------------


def write_walks(folder, rng, channels, meter):
    """Every direction, with holes in the planted factor's readings, and the random ones."""
    for name in DIRECTIONS:
        reading = np.cumsum(rng.uniform(0, 30, (S, T)), axis=1)
        reading[1], reading[:, 3] = np.nan, np.nan
        write_arrays(
            folder / "walks" / f"{name}.npz",
            frames=pictures(rng, S, T, channels=channels),
            start_image=pictures(rng, S, channels=channels),
            alpha=np.sort(rng.uniform(-3, 3, (S, T))),
            **{f"path_step.{spacing}": np.full(S, 0.2) for spacing in ("alpha", "arc")},
            match=np.ones((S, T), np.float32),
            probability=np.full((S, T, 2), 0.5, np.float32),
            start=np.arange(S),
            discriminator=np.ones((S, T), np.float32),
            **{f"meter.{meter}": reading, "meter.saturation": rng.uniform(size=(S, T))},
            **{f"heat.{kind}": _uniform(rng, S, SIZE, SIZE) for kind in ("integral", "maximum", "ends")},
        )
    change = {f"change.{meter}": np.r_[rng.uniform(-20, 20, R - 2), -120, np.nan], "change.saturation": np.zeros(R)}
    write_arrays(folder / "walks" / "random.npz", cosine=np.zeros(R, np.float32), **change)


def _uniform(rng, *shape):
    """Random numbers from 0 to 1, float32."""
    return rng.uniform(size=shape).astype(np.float32)


def write_codes(folder, rng, channels):
    """maps.npz, exemplars.npz, counterfactuals.npz."""
    rows, item = np.arange(V), {"channels": channels}
    flat = {f"{name}.xy": rng.normal(size=(V, 2)).astype(np.float32) for name in ("side", "pca", "tsne")}
    flat |= {f"{name}.arrow": np.array([[0, 0], [1, 1.0]]) for name in ("side", "pca")}
    write_arrays(folder / "maps.npz", row=rows, **flat, thumb_row=np.arange(4), thumb_image=pictures(rng, 4, **item))
    write_arrays(
        folder / "exemplars.npz",
        along_row=rows[:6],
        along_image=pictures(rng, 6, **item),
        along_position=np.linspace(-2, 2, 6, dtype=np.float32),
        start_row=rows[:S],
        start_image=pictures(rng, S, **item),
        counter_row=rows[:S, None] + np.arange(1, 4),
        counter_image=pictures(rng, S, 3, **item),
        counter_distance=rng.uniform(1, 2, (S, 3)),
        tenth_image=pictures(rng, 10, **item),
        tenth_count=np.r_[0, np.ones(9, int)],
    )
    parts = ("start_image", "reconstruction", "counterfactual", "nearest_image")
    write_arrays(
        folder / "counterfactuals.npz",
        row=rows[:S],
        nearest_row=rows[1 : S + 1],
        **{part: pictures(rng, S, **item) for part in parts},
        difference=rng.normal(size=(S, SIZE, SIZE)).astype(np.float32),
        probability=np.tile(np.array([[[0.9, 0.1], [0.2, 0.8]]], np.float32), (S, 1, 1)),
        distance=np.r_[np.nan, rng.uniform(1, 2, S - 1)].astype(np.float32),
        nearest_other=rng.uniform(2, 3, S),
        accepted=np.arange(S) > 1,
    )


def write_answers(folder, rng, classes, channels):
    """impact.npz, explanations/gradcam.npz and explanations/response.csv."""
    curve = np.r_[np.linspace(0, 1, 9), np.nan]
    impact = {f"{m}.{key}": curve for m in MODELS for key in ("distance", "difference")}
    impact |= {f"{m}.position": rng.uniform(size=V) for m in MODELS}
    labels = np.array(classes)[np.arange(V) % 2]
    write_arrays(folder / "impact.npz", value=rng.uniform(0, 180, V), label=labels, **impact)
    heat = _uniform(rng, S, A, SIZE, SIZE)
    heat[0] = 0
    write_arrays(
        folder / "explanations" / "gradcam.npz",
        images=pictures(rng, S, A, channels=channels),
        heat=heat,
        value=np.array([0, 90, 180.0]),
        row=np.arange(S),
        probability=np.full((S, A, 2), 0.5, np.float32),
        target=np.arange(S) % 2,
    )
    low, high = pd.read_csv(folder / "items.csv").value.agg(["min", "max"])
    rows = [(c, low + q * (high - low), q, q * 0.9, 1.0, 9, m) for m in MODELS for c in classes for q in (0, 0.5, 1)]
    table = pd.DataFrame(rows, columns="label value mean low high n model".split())
    table.to_csv(folder / "explanations" / "response.csv", index=False)


def write_tiles(folder, rng, classes, model, names=METHODS):
    """Tiles of methods for six items, and how each method ended for both models."""
    arrays = {"images": pictures(rng, 6, channels=3), "tiles": pictures(rng, len(names), 6, channels=3)}
    arrays |= {"name": names, "title": [n.upper() for n in names], "means": ["slope"] * len(names)}
    arrays |= {"flag": ["", "fails & falls"][: len(names)], "asked": [f"why {classes[-1]}? 91 %"] * 6}
    arrays |= {"label": np.array(classes)[np.arange(6) % 2]}
    write_arrays(folder / "explanations" / f"tiles_{model}.npz", **{k: np.array(v) for k, v in arrays.items()})
    rows = [Row("saliency", "aae", "saliency", "ok", 1.0, 1.0, "", 2.5, 2.4, 0.04)]
    rows += [Row("guided_backprop", "aae", "guided_backprop", "refused", reason="made for <ReLU>")]
    rows += [Row("rise", "baseline", "rise", "timeout", 9.0, 1.0, "slow")]
    write_status(folder / "explanations" / "status.csv", rows)
