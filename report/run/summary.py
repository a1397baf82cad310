"""Every number the report shows, gathered from the run folder's files under plain names.

The names are an interface: other programs read summary.json.
"""

import shlex

import numpy as np

from xaae.experiment.factor_questions import question_rows
from xaae.experiment.kinds import SIGNAL
from xaae.experiment.run_folder import plain_values
from xaae.experiment.statistics import largest_steps, median_of_known
from xaae.experiment.vocabulary import MODELS
from xaae.report.run.walk_reading import reading
from xaae.report.shared.run_files import RunFiles

COMMANDS = ("command", "command_line", "argv")  # keys of config.json, the later ones of earlier versions
SETTINGS = """dataset dataset_note data_warnings kind arm factor factor_about seed preset device precision classes
    target ranges""".split()
BALANCE = "valid_balanced_accuracy valid_majority_share valid_majority_class valid_constant_answer".split()
AAE = """valid_accuracy valid_precision valid_recall recon_mse recon_agreement recon_judge_accuracy parameters epochs
seconds images_per_second""".split()
BASELINE = "valid_accuracy valid_precision valid_recall parameters pretrained note seconds".split()
WALK = """direction meter unit change change_ci change_words spearman random_change p_value match starts frames
    random_directions probability_first probability_last accepted flips frame_change start_groups spacing
    largest_step largest_step_share path_step_share ends_explain real_ends_explain undone_match
    rotation_span_deg rotation_span_deg_ci rotation_spearman random_span_deg by_direction""".split()
PLANTED = "meter unit shift limits".split()
IMPACT = "spearman within_class_spearman slope".split()
HEALTH = """items dimensions sliced_wasserstein sliced_wasserstein_expected effective_rank participation_ratio
    eigenvalues henze_zirkler_p normality_rejected_share dead_share probe_r2 probe_balanced_accuracy dci""".split()
COUNTERFACTUAL = """items flipped flipped_when_seen already accepted acceptance_floor_percentile distance nearest_other
    shorter sentence sides""".split()
LED = """meter unit change change_ci change_words spearman largest_step_share match undone_match probability_first
    probability_last own_probability_first own_probability_last brought_over random_change p_value reach starts
    rotation_span_deg""".split()
TABLES = "naming thresholds directions".split()  # of navigate.json


def gather_summary(run: RunFiles) -> dict:
    """The summary of a run: nested, JSON-ready, with None for what no file holds."""
    files = (run.json(f"{command}.json") for command in ("train", "navigate", "explain", "scan"))
    train, navigate, explain, scan = files
    planted = _with_keys(navigate.get("planted"), PLANTED)
    meter = _with_keys(navigate.get("meter"), ["reconstruction_error"])
    summary = {
        **navigate,
        "run": run.path.resolve().name,
        **{key: run.config.get(key) for key in SETTINGS},
        "signal": _signal(run),
        "factor_asked": _factor_asked(run.config),
        "boundary": _boundary(run.ranges),
        "items": train.get("items") or {},
        "seconds": _seconds(train, navigate, explain),
        "aae": _with_keys(train.get("aae"), [*AAE, *BALANCE]),
        "baseline": _with_keys(train.get("baseline"), [*BASELINE, *BALANCE]),
        "walk": _walk(run, navigate.get("walk") or {}, planted, meter),
        "planted": planted,
        "meter": meter,
        **{key: navigate.get(key) or {} for key in TABLES},
        "led": _led(navigate),
        "left_out": navigate.get("left_out") or {},
        "dimensions": navigate.get("dimensions") or [],
        "impact": _with_keys(navigate.get("impact"), [*IMPACT, *(f"baseline_{key}" for key in IMPACT)]),
        "counterfactual": _with_keys(navigate.get("counterfactual"), COUNTERFACTUAL),
        "health": _with_keys(navigate.get("health"), HEALTH),
        "correlations": _rows(run, "correlations.csv"),
        "response": explain.get("response") or {},
        "spurious_score": _with_keys(explain.get("spurious_score"), MODELS),
        "gradcam": _with_keys(explain.get("gradcam"), ["unrotated_ncc"]),
        "scan": _scan(scan),
        "questions": question_rows(scan, _main_naming(navigate)),
        "repeat": _commands(run, navigate, explain),
        "versions": run.config.get("versions") or {},
    }
    return plain_values(summary | _in_degrees(summary))


def _signal(run: RunFiles) -> dict | None:
    """What the signals of a run have in common: rate (Hz), samples, seconds, channels with units; None of others."""
    scale, samples = run.config.get("signal_scale"), run.config.get("input_size")
    if run.kind is not SIGNAL or not scale:
        return None
    rate = scale.get("rate")
    seconds = samples / rate if rate and samples else None
    ends = {f"{end}": list(scale.get(end) or ()) for end in ("low", "high")}
    names = {"channels": list(scale.get("names") or ()), "units": list(scale.get("units") or ())}
    return {"rate_hz": rate, "samples": samples, "seconds": seconds} | names | ends


def _factor_asked(config: dict) -> bool:
    """Was a factor planted, or asked for? Else it is only the usual one, and so it is taken where no file knows."""
    return config.get("arm") != "normal" or bool(config.get("factor_asked"))


def _commands(run: RunFiles, navigate: dict, explain: dict) -> list[str]:
    """The commands that make this run again, with the options that were used; [] if the settings hold none."""
    made = next((run.config[key] for key in COMMANDS if run.config.get(key)), "")
    made, where = " ".join(map(str, made)) if isinstance(made, list) else str(made), shlex.quote(str(run.path))
    apart = made.split()[2:3] == ["train"]  # what follows was typed too
    walked = _navigate_command(navigate, where, apart)
    explained = f"python main.py explain {where}" if apart and explain else ""
    page = f"python main.py report {where}" if walked or explained else ""
    return [command for command in (made, walked, explained, page) if command] if made else []


def _navigate_command(navigate: dict, where: str, apart: bool) -> str:
    """How the run was navigated: as typed, else (an earlier version) by the options it kept; "" if by no command."""
    options = navigate.get("options") or {}
    if options.get("command"):
        return options["command"]
    words = [f"--{name} {shlex.quote(','.join(options[name]))}" for name in ("directions", "away") if options.get(name)]
    words += [f"--contrast {shlex.quote(options['contrast'])}"] if options.get("contrast") else []
    return " ".join(["python main.py navigate", where, *words]) if words or (apart and navigate) else ""


def _scan(scan: dict) -> dict:
    """What each model goes by: {model: {"headline", "factors": {factor: its figures}}}."""
    keys = ("swing", "swing_low", "swing_high", "flips", "null_flips", "p_holm", "used", "unit", "flips_at")
    return {
        name: {
            "headline": model["headline"],
            "factors": {
                row["factor"]: {key: row[key] for key in keys} | {"one_value": row.get("one_value", False)}
                for row in model["factors"]
            },
        }
        for name, model in (scan.get("models") or {}).items()
    }


def _led(navigate: dict) -> dict:
    """The walk that each classifier leads between the sides of the main contrast: {classifier: its figures}."""
    walks, naming = (navigate.get("walk") or {}).get("by_direction") or {}, navigate.get("naming") or {}
    return {
        about["leader"]["name"]: {
            **dict.fromkeys(LED),
            **walks[name],
            "direction": name,
            "title": about["leader"]["title"],
            "named": (naming.get(name) or {}).get("named") or [],
        }
        for name, about in (navigate.get("directions") or {}).items()
        if about.get("leader") and about["kind"] == "led" and "." not in name and name in walks
    }


def _main_naming(navigate: dict) -> list[dict]:
    """The naming table of the main walk; [] if there is none."""
    direction = (navigate.get("walk") or {}).get("direction")
    return ((navigate.get("naming") or {}).get(direction) or {}).get("meters") or []


def _with_keys(values: dict | None, names) -> dict:
    """`values` with every one of `names`, None where it is missing; further keys are kept."""
    return {**dict.fromkeys(names), **(values or {})}


def _rows(run: RunFiles, name: str) -> list[dict]:
    """The rows of a table as dicts; [] if there is none."""
    table = run.table(name)
    return [] if table is None else table.to_dict("records")


def _in_degrees(summary: dict) -> dict:
    """The keys whose names carry degrees, filled where the planted factor has that unit, None elsewhere."""
    degrees = (summary["factor_about"] or {}).get("unit", "degrees") == "degrees"
    impact, meter = summary["impact"], summary["meter"]
    slopes = {f"{before}slope_deg": impact[f"{before}slope"] if degrees else None for before in ("", "baseline_")}
    error = {"reconstruction_error_deg": meter["reconstruction_error"] if degrees else None}
    return {
        "boundary_deg": summary["boundary"] if degrees else None,
        "impact": impact | slopes,
        "meter": meter | error,
    }


def _walk(run: RunFiles, walk: dict, planted: dict, meter: dict) -> dict:
    """The walk's scores, the random directions counted again from their file, and the reading."""
    changes = run.random_changes()
    least = (planted["limits"] or {}).get("none")
    scores = {
        name: {
            **_with_steps(run, name, score, least),
            "random_at_least_as_far": _at_least(changes, score.get("change")),
        }
        for name, score in (walk.get("by_direction") or {}).items()
    }
    walk = _with_keys(_with_steps(run, walk.get("direction"), walk, least), WALK)
    counted = {"random_directions": len(changes)} if len(changes) else {}
    return walk | counted | {"by_direction": scores, "reading": reading(walk, planted, meter)}


def _with_steps(run: RunFiles, name: str, score: dict, least: float | None) -> dict:
    """The scores of a walk; those of an earlier version with the largest step of its readings, in even steps of alpha.

    least: a change that counts as none.
    """
    kept = None if "largest_step_share" in score else run.walk(name)
    readings = (kept or {}).get(f"meter.{run.meter_name}")
    if readings is None:
        return score
    steps, shares = largest_steps(readings, least or 0.0)
    return {**score, "largest_step": median_of_known(steps), "largest_step_share": median_of_known(shares)}


def _at_least(changes: np.ndarray, change: float | None) -> int | None:
    """How many of the random directions' `changes` are as large as `change`."""
    return None if change is None or not len(changes) else int((changes >= abs(change)).sum())


def _boundary(ranges: dict) -> float | None:
    """The value at which the planted ranges of two classes meet; None if they do not just meet, or are not two."""
    (low, high), *rest = sorted(ranges.values()) or [(0, 0)]
    return high if len(rest) == 1 and low < high == rest[0][0] < rest[0][1] else None


def _spent(part) -> float | None:
    """Seconds of one part: a number, or a dict of numbers (its "total", else their sum); None if there is none."""
    if isinstance(part, dict):
        if "total" in part:
            return _spent(part["total"])
        known = [value for value in map(_spent, part.values()) if value is not None]
        return sum(known) if known else None
    return float(part) if isinstance(part, (int, float)) and not isinstance(part, bool) else None


def _seconds(train: dict, navigate: dict, explain: dict) -> dict:
    """Seconds of each command and their sum."""
    training = train.get("seconds") or {name: (train.get(name) or {}).get("seconds") for name in MODELS}
    parts = {
        "train": _spent(training),
        "navigate": _spent(navigate.get("seconds")),
        "explain": _spent(explain.get("seconds")),
    }
    known = [value for value in parts.values() if value is not None]
    return {**parts, "total": sum(known) if known else None}
