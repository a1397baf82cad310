"""Fake run folders for the tests of the report, as the commands write them, with small random pictures."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xaae.report import write_report

S, T, A, N, V, R, D = 5, 7, 3, 20, 12, 30, 4  # starts, frames, values, items, held-out items, random directions, dims
ABOUT = {  # what config says about each factor
    "rotation": {
        "name": "rotation",
        "unit": "degrees",
        "whole": [0, 180],
        "meter": "rotation",
        "noun": "angle",
        "sign": "°",
        "digits": 0,
        "neutral": 0,
    },
    "brightness": {
        "name": "brightness",
        "unit": "of the way to white",
        "whole": [-0.4, 0.4],
        "meter": "luminance",
        "noun": "shift to white",
        "sign": "",
        "digits": 2,
        "neutral": 0,
    },
    "blur": {
        "name": "blur",
        "unit": "% of the side",
        "whole": [0, 4],
        "meter": "sharpness",
        "noun": "blur",
        "sign": "\u202f%",
        "digits": 1,
        "neutral": 0,
    },
}
UNITS = {"rotation": "degrees", "luminance": "of full scale", "sharpness": "octaves"}
SHIFT = {"rotation": 90.0, "brightness": 0.18, "blur": -0.9}  # of the meter's reading, between the classes' middles
WORDS = {
    "rotation": "turns left by 92 degrees",
    "brightness": "gets brighter by 0.18",
    "blur": "gets blurrier by 0.92 octaves",
}
CONFIG = {
    "dataset": "pets",
    "dataset_note": "see https://example.org",
    "arm": "biased",
    "factor": "rotation",
    "factor_about": ABOUT["rotation"],
    "fill": "black",
    "ranges": {"cat": [0, 90], "dog": [90, 180]},
    "classes": ["cat", "dog"],
    "seed": 3,
    "preset": "tiny",
    "input_size": 16,
    "input_channels": 3,
    "epochs": 4,
    "baseline_epochs": 2,
    "device": "cpu",
    "precision": "fp32",
    "versions": {"numpy": "2"},
}
DIRECTIONS = ("lda", "head", "gradient", "pca_1", "dim_11", "dim_7")


def walk_numbers(factor: str) -> dict:
    """The scores of a walk that follows the factor fully."""
    share = SHIFT[factor] * 92 / 90
    return {
        "direction": "lda",
        "meter": ABOUT[factor]["meter"],
        "unit": UNITS[ABOUT[factor]["meter"]],
        "change": share,
        "change_ci": sorted([share * 0.9, share * 1.1]),
        "change_words": WORDS[factor],
        "spearman": 0.98,
        "random_change": abs(share) / 15,
        "rotation_span_deg": 92.0,
        "rotation_span_deg_ci": [85.0, 97.0],
        "rotation_spearman": 0.98,
        "random_span_deg": 6.0,
        "match": 0.93,
        "starts": S,
        "frames": T,
        "p_value": 0.0099,
        "probability_first": 0.02,
        "probability_last": 0.99,
        "accepted": 0.8,
        "flips": 1.0,
    }


WALK = walk_numbers("rotation")


def limits(factor: str) -> dict:
    """The planted shift and what is clear, none, or too blind beside it, in the meter's unit."""
    meter, size = ABOUT[factor]["meter"], abs(SHIFT[factor])
    found = {"clear": size / 2, "none": size / 9, "meter_error": size / 6}
    return {"meter": meter, "unit": UNITS[meter], "shift": SHIFT[factor], "limits": found}


def fake_run(
    folder: Path, classes=("cat", "dog"), channels: int = 3, config=None, walk=None, factor="rotation", named=()
) -> Path:
    """A whole run folder as the commands write it, with small random pictures; `named`: more rows of the naming."""
    rng = np.random.default_rng(0)
    for part in ("walks", "explanations", "samples"):
        (folder / part).mkdir(parents=True)
    low, high = ABOUT[factor]["whole"]
    middle = (low + high) / 2
    ranges = dict(zip(classes, ([low, middle], [middle, high]), strict=True))
    about = {"factor": factor, "factor_about": ABOUT[factor]}
    put(folder, "config.json", {**CONFIG, **about, "classes": classes, "ranges": ranges, **(config or {})})
    write_tables(folder, classes, factor, rng)
    write_numbers(folder, {**walk_numbers(factor), **(walk or {})}, classes, factor, named)
    write_walks(folder, rng, channels, ABOUT[factor]["meter"])
    write_codes(folder, rng, channels)
    write_models(folder, rng, classes, channels)
    write_attributions(folder, np.random.default_rng(1), classes)
    Image.fromarray(pictures(rng, channels=3, size=48)).save(folder / "samples/epoch_0004.png")
    return folder


def put(folder: Path, name: str, content) -> None:
    """One JSON file; NaN is written as NaN, as Python does."""
    (folder / name).write_text(json.dumps(content))


def pictures(rng, *lead: int, channels: int = 1, size: int = 16) -> np.ndarray:
    """Random uint8 pictures (*lead, size, size, channels)."""
    return rng.integers(0, 255, (*lead, size, size, channels), dtype=np.uint8)


def write_tables(folder: Path, classes, factor: str, rng) -> None:
    """items.csv, the two histories, response.csv, skipped.csv, correlations.csv."""
    low, high = ABOUT[factor]["whole"]
    value = [low + (high - low) / 2 * (rng.uniform() + i % 2) for i in range(N)]
    rows = [
        f"{i}.png,{classes[i % 2]},valid,{i},{factor},{value[i]:.3f},{'ab'[i % 3 > 0]},{i / 7:.3f},same"
        for i in range(N)
    ]
    losses = ["1,reconstruct,0.5,0.4,,0.7", "2,reconstruct,nan,0.3,0.4,0.8", "3,adversarial,0.3,0.2,0.5,0.9"]
    answers = [
        f"{m},{c},{low + q * (high - low)},{q},{q * 0.9},1,9"
        for m in ("aae", "baseline")
        for c in classes
        for q in (0, 0.5, 1)
    ]
    for name, head, body in (
        ("items.csv", "path,label,split,group,factor,value,coat,ear_size,maker", rows),
        (
            "history.csv",
            "epoch,stage,train_reconstruction,valid_reconstruction,train_adversarial,valid_accuracy",
            losses,
        ),
        ("baseline_history.csv", "epoch,train_loss,valid_loss,accuracy", ["1,0.5,0.4,0.9"]),
        ("explanations/response.csv", "model,label,value,mean,low,high,n", answers),
        ("skipped.csv", "path,reason", ["<i>bad</i>.png,not an image"]),
        (
            "correlations.csv",
            "factor,items,within_class_spearman,p,p_holm",
            ["value,12,0.7,0.001,0.002", "ear_size,12,0.1,0.5,1.0", "seed,0,nan,nan,nan"],
        ),
    ):
        (folder / name).write_text("\n".join([head, *body]) + "\n")


def naming_row(meter: str, unit: str, words: str, named: bool, change: float = 1.0) -> dict:
    """One row of the naming table."""
    return {
        "meter": meter,
        "unit": unit,
        "change": change,
        "change_ci": [change * 0.9, change * 1.1],
        "spread": 1.0,
        "spreads": abs(change),
        "spearman": 0.9,
        "p": 0.01,
        "p_any": 0.02,
        "words": words,
        "named": named,
    }


def naming(factor: str, walk: dict, named) -> dict:
    """The naming table of every direction: the planted factor's meter where the walk is clear, and `named` rows."""
    meter = ABOUT[factor]["meter"]
    clear = abs(walk["change"] or 0) >= limits(factor)["limits"]["clear"]
    rows = [naming_row(meter, UNITS[meter], walk["change_words"], clear, walk["change"]), *named]
    rows.append(naming_row("saturation", "of full scale", "gets more colourful by 0.01", False, 0.01))
    told = "; ".join([r["words"] for r in rows if r["named"]] + ["no other factor beyond chance"])
    return {name: {"sentence": told, "named": [], "meters": rows} for name in DIRECTIONS}


def write_numbers(folder: Path, walk: dict, classes, factor: str, named) -> None:
    """train.json, navigate.json, explain.json."""
    aae = {
        "valid_accuracy": 0.98,
        "valid_precision": 0.97,
        "valid_recall": 0.96,
        "recon_mse": 0.011,
        "parameters": 12345,
        "epochs": 4,
        "seconds": 20.0,
        "images_per_second": 90.0,
    }
    baseline = {"valid_accuracy": 0.99, "parameters": 21000000, "pretrained": True, "note": "ImageNet", "seconds": 10.0}
    put(
        folder,
        "train.json",
        {
            "aae": aae,
            "baseline": baseline,
            "items": {"train": 8, "valid": 12, "test": 0, "skipped": 1},
            "seconds": {"aae": 20.0, "baseline": 10.0},
        },
    )
    own = {key: value for key, value in walk.items() if key not in ("direction", "starts", "frames")}
    put(
        folder,
        "navigate.json",
        {
            "walk": {**walk, "by_direction": {name: own for name in DIRECTIONS}},
            "planted": limits(factor),
            "naming": naming(factor, walk, named),
            "thresholds": {"naming": {"spreads": 1.0, "p_any": 0.05, "spearman": 0.8}},
            "directions": {
                "lda": {
                    "title": "LDA with shrinkage",
                    "note": "A note from the run",
                    "contrast": f"{classes[0]} to {classes[1]}",
                    "stability": 0.93,
                    "auc": 0.991,
                    "cohens_d": 3.4,
                    "cosine": 1.0,
                }
            },
            "dimensions": [{"dimension": 7, "auc": 0.9, "cohens_d": 1.2}],
            "meter": {"reconstruction_error": abs(SHIFT[factor]) / 18},
            "seconds": 4.0,
            "impact": {
                "spearman": 0.9,
                "within_class_spearman": 0.7,
                "slope": 100.0,
                "baseline_spearman": 0.75,
                "baseline_within_class_spearman": float("nan"),
                "baseline_slope": 80.0,
            },
            "counterfactual": {
                "items": 64,
                "flipped": 0.98,
                "flipped_when_seen": 0.91,
                "accepted": 0.95,
                "acceptance_floor_percentile": 5,
                "distance": 1.83,
                "nearest_other": 3.12,
                "shorter": 0.92,
                "sentence": "gets warmer by 0.20",
            },
            "health": {
                "items": 12,
                "dimensions": D,
                "sliced_wasserstein": 0.131,
                "sliced_wasserstein_expected": 0.094,
                "effective_rank": 3.2,
                "participation_ratio": 2.9,
                "eigenvalues": [2.0, 1.0, 0.5, 0.1],
                "henze_zirkler_p": float("nan"),
                "normality_rejected_share": 0.25,
                "dead_share": 0.0,
                "probe_r2": {"value": 0.91, "ear_size": -0.03},
                "probe_balanced_accuracy": {"coat": 0.6},
                "dci": {"disentanglement": 0.21, "completeness": 0.18, "informativeness": 0.55},
            },
        },
    )
    put(
        folder,
        "explain.json",
        {
            "response": {"aae": {classes[0]: {"swing": 0.9}}},
            "spurious_score": {"aae": 0.9, "baseline": 0.8},
            "gradcam": {"unrotated_ncc": 0.95} if factor == "rotation" else {},
            "seconds": 1.0,
        },
    )


def write_walks(folder: Path, rng, channels: int, meter: str) -> None:
    """Every direction, with holes in the planted factor's readings, and the random ones."""
    for name in DIRECTIONS:
        reading = np.cumsum(rng.uniform(0, 30, (S, T)), axis=1)
        reading[1], reading[:, 3] = np.nan, np.nan
        np.savez(
            folder / f"walks/{name}.npz",
            frames=pictures(rng, S, T, channels=channels),
            alpha=np.linspace(-3, 3, T),
            match=np.ones((S, T)),
            probability=np.full((S, T, 2), 0.5),
            discriminator=np.ones((S, T)),
            start=np.arange(S),
            start_image=pictures(rng, S, channels=channels),
            **{f"meter.{meter}": reading, "meter.saturation": rng.uniform(size=(S, T))},
            **{f"heat.{kind}": rng.uniform(size=(S, 16, 16)) for kind in ("integral", "maximum", "ends")},
        )
    change = np.r_[rng.uniform(-20, 20, R - 2), -120, np.nan]
    np.savez(folder / "walks/random.npz", cosine=np.zeros(R), **{f"change.{meter}": change})


def write_codes(folder: Path, rng, channels: int) -> None:
    """maps.npz, exemplars.npz, counterfactuals.npz."""
    rows = np.arange(V)
    np.savez(
        folder / "maps.npz",
        row=rows,
        **{f"{name}.xy": rng.normal(size=(V, 2)) for name in ("pca", "tsne", "umap")},
        **{"pca.arrow": np.array([[0, 0], [1, 1.0]])},
        thumb_row=np.arange(4),
        thumb_image=pictures(rng, 4, channels=channels),
    )
    np.savez(
        folder / "exemplars.npz",
        along_image=pictures(rng, 6, channels=channels),
        along_row=rows[:6],
        along_position=np.linspace(-2, 2, 6),
        start_image=pictures(rng, S, channels=channels),
        start_row=rows[:S],
        counter_image=pictures(rng, S, 3, channels=channels),
        counter_row=rows[:S, None] + np.arange(1, 4),
        counter_distance=rng.uniform(1, 2, (S, 3)),
        tenth_image=pictures(rng, 10, channels=channels),
        tenth_count=np.r_[0, np.ones(9, int)],
    )
    parts = ("start_image", "reconstruction", "counterfactual", "nearest_image")
    np.savez(
        folder / "counterfactuals.npz",
        row=rows[:S],
        **{part: pictures(rng, S, channels=channels) for part in parts},
        difference=rng.normal(size=(S, 16, 16)),
        probability=np.tile([[[0.9, 0.1], [0.2, 0.8]]], (S, 1, 1)),
        distance=np.r_[np.nan, rng.uniform(1, 2, S - 1)],
        nearest_other=rng.uniform(2, 3, S),
        accepted=np.arange(S) > 1,
    )


def write_models(folder: Path, rng, classes, channels: int) -> None:
    """impact.npz and the Grad-CAM arrays."""
    curve = {
        f"{m}.{key}": np.r_[np.linspace(0, 1, 9), np.nan]
        for m in ("aae", "baseline")
        for key in ("distance", "difference")
    }
    np.savez(
        folder / "impact.npz",
        **curve,
        value=rng.uniform(0, 180, V),
        label=np.array(classes)[np.arange(V) % 2],
        **{f"{m}.position": rng.uniform(size=V) for m in ("aae", "baseline")},
    )
    heat = rng.uniform(size=(S, A, 16, 16)).astype(np.float32)
    heat[0] = 0
    np.savez(
        folder / "explanations/gradcam.npz",
        images=pictures(rng, S, A, channels=channels),
        heat=heat,
        value=np.array([0, 90, 180.0]),
        row=np.arange(S),
        probability=np.full((S, A, 2), 0.5),
        target=np.arange(S) % 2,
    )


def write_attributions(folder: Path, rng, classes, names=("saliency", "<b>lime</b>"), model="aae") -> None:
    """Tiles of methods for six items, and how each method ended."""
    arrays = {"images": pictures(rng, 6, channels=3), "tiles": pictures(rng, len(names), 6, channels=3)}
    arrays |= {"name": names, "title": [n.upper() for n in names], "means": ["slope"] * len(names)}
    arrays |= {"flag": ["", "fails & falls"][: len(names)], "asked": ["why dog?"] * 6}
    arrays |= {"label": np.array(classes)[np.arange(6) % 2]}
    np.savez(folder / f"explanations/tiles_{model}.npz", **{k: np.array(v) for k, v in arrays.items()})
    lines = ["method,model,label,status,seconds,peak_mb,reason", "saliency,aae,saliency,ok,1,1,"]
    lines += ['guided_backprop,aae,guided_backprop,refused,0,0,"made for <ReLU>"', "rise,other,rise,timeout,9,1,slow"]
    (folder / "explanations/status.csv").write_text("\n".join(lines) + "\n")


def page(folder: Path) -> str:
    """The written page as text."""
    return write_report(folder).read_text(encoding="utf-8")


def strict(constant: str):
    """Refuses NaN and infinity, which are no JSON."""
    raise AssertionError(f"{constant} in JSON")


@pytest.mark.parametrize("factor", list(ABOUT))
def test_a_fake_run_holds_every_file_that_the_report_reads(tmp_path, factor):
    folder = fake_run(tmp_path / "run", factor=factor)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    others = ("audit_page.py", "quiz.py", "unknown_page.py", "__init__.py")  # pages of their own, of other files
    room = (Path(__file__).parents[1] / "report").rglob("*.py")
    rooms = "\n".join(path.read_text() for path in room if path.name not in others)
    assert set(re.findall(r'"([\w/]+\.(?:json|csv|npz))"', rooms)) - {"summary.json"} <= files
