"""Every number the report shows, gathered from the run folder's files under plain names."""

import numpy as np

from report.folder import RunFolder, clean
from report.verdict import reading

SETTINGS = ("dataset", "dataset_note", "arm", "factor", "seed", "preset", "device", "precision", "classes", "ranges")
AAE = (
    "valid_accuracy",
    "valid_precision",
    "valid_recall",
    "recon_mse",
    "parameters",
    "epochs",
    "seconds",
    "images_per_second",
)
BASELINE = ("valid_accuracy", "valid_precision", "valid_recall", "parameters", "pretrained", "note", "seconds")
WALK = (
    "direction",
    "rotation_span_deg",
    "rotation_span_deg_ci",
    "rotation_spearman",
    "random_span_deg",
    "match",
    "starts",
    "frames",
    "p_value",
    "probability_first",
    "probability_last",
    "by_direction",
)
IMPACT = (
    "spearman",
    "within_class_spearman",
    "slope_deg",
    "baseline_spearman",
    "baseline_within_class_spearman",
    "baseline_slope_deg",
)


def gather(run: RunFolder) -> dict:
    """The summary of a run: nested, JSON-ready, with None for what no file holds."""
    train, navigate, explain = (run.json(f"{part}.json") for part in ("train", "navigate", "explain"))
    meter = navigate.get("meter") or {}
    return clean(
        {
            "run": run.path.resolve().name,
            **{key: run.config.get(key) for key in SETTINGS},
            "boundary_deg": boundary(run.ranges),
            "items": train.get("items") or {},
            "seconds": _seconds(train, navigate, explain),
            "aae": _keys(train.get("aae"), AAE),
            "baseline": _keys(train.get("baseline"), BASELINE),
            "walk": _walk(run, navigate.get("walk") or {}, meter),
            "meter": _keys(meter, ("reconstruction_error_deg",)),
            "impact": _keys(navigate.get("impact"), IMPACT),
            "response": explain.get("response") or {},
            "spurious_score": _keys(explain.get("spurious_score"), ("aae", "baseline")),
            "gradcam": _keys(explain.get("gradcam"), ("unrotated_ncc",)),
            "versions": run.config.get("versions") or {},
        }
    )


def _keys(found: dict | None, names: tuple[str, ...]) -> dict:
    """`found` with every one of `names` present, None where it is missing; further keys are kept."""
    return {**dict.fromkeys(names), **(found or {})}


def _walk(run: RunFolder, walk: dict, meter: dict) -> dict:
    """The walk's scores, the null counted again from the file of random directions, and how to read them."""
    walk = _keys(walk, WALK)
    random = run.arrays("walks/random.npz", "span")
    spans = np.empty(0) if random is None else random["span"][np.isfinite(random["span"])]
    scores = {
        name: {**score, "random_at_least_as_far": at_least(spans, score.get("rotation_span_deg"))}
        for name, score in (walk["by_direction"] or {}).items()
    }
    return {**walk, "by_direction": scores, "random_directions": len(spans), "reading": reading(walk, meter)}


def at_least(spans: np.ndarray, span: float | None) -> int | None:
    """How many of the random directions' `spans` (degrees) are as large as `span`."""
    return None if span is None or not len(spans) else int((spans >= abs(span)).sum())


def boundary(ranges: dict) -> float | None:
    """The angle (degrees) at which two classes' planted ranges meet; None if they overlap or are far apart."""
    (low, high), *rest = sorted(ranges.values()) or [(0, 0)]
    return high if len(rest) == 1 and low < high == rest[0][0] < rest[0][1] else None


def spent(part) -> float | None:
    """Seconds of one part: a number, or a dict of numbers (its "total", else their sum); None if there is none."""
    if isinstance(part, dict):
        if "total" in part:
            return spent(part["total"])
        known = [value for value in map(spent, part.values()) if value is not None]
        return sum(known) if known else None
    return float(part) if isinstance(part, (int, float)) and not isinstance(part, bool) else None


def _seconds(train: dict, navigate: dict, explain: dict) -> dict:
    """Seconds per command and their sum."""
    training = train.get("seconds") or {name: (train.get(name) or {}).get("seconds") for name in ("aae", "baseline")}
    parts = {
        "train": spent(training),
        "navigate": spent(navigate.get("seconds")),
        "explain": spent(explain.get("seconds")),
    }
    known = [value for value in parts.values() if value is not None]
    return {**parts, "total": sum(known) if known else None}
