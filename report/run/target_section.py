"""What is predicted where it is no class: a severity and how its direction orders the items, or several labels."""

import numpy as np
from markupsafe import Markup

from xaae.experiment.target_words import severity_weakness
from xaae.experiment.tasks import LABELS, SEVERITY, target_of
from xaae.experiment.vocabulary import MODELS, models_of
from xaae.report.run.walk_charts import quartiles
from xaae.report.shared.charts import Axes, axis_limits
from xaae.report.shared.run_files import RunFiles
from xaae.report.shared.sprites import evenly
from xaae.report.shared.words import and_list, direction_name, fixed

MOST_DOTS = 600
BEST = "ridge"  # of the regressions; the thesis's stands beside it


def target_section(run: RunFiles, summary: dict) -> dict | None:
    """The section by the run's task: sentence, tiles, table and charts; None for classes."""
    target = target_of(run.config)
    make = SECTIONS.get(target.task)
    return make(run, summary, target) if make else None


def target_sentence(summary: dict) -> str:
    """How well the models answer, and what they say along the walk; "" for classes."""
    target = target_of({"target": summary.get("target"), "classes": summary.get("classes")})
    say = SENTENCES.get(target.task)
    return say(summary, target) if say else ""


def three_figures(value) -> str:
    """A number with three figures, a dash for none."""
    return "\u2013" if value is None else f"{value:.3g}".replace("-", "\u2212")


# ---- a severity -------------------------------------------------------------------------------------------------


def _severity_sentence(summary: dict, target) -> str:
    """How well the models answer, how the direction orders the items, what is said at both ends of the walk."""
    scored = {
        name: summary[key]
        for key, name in models_of(summary.get("kind")).items()
        if summary[key].get("valid_mae") is not None
    }
    each = [f"{three_figures(s['valid_mae'])} for the {name} (Spearman {fixed(s['valid_spearman'], 2)})"
            for name, s in scored.items()]  # fmt: skip
    parts = []
    walk = summary["walk"]
    if walk.get("severity_first") is not None:
        ends = f"{three_figures(walk['severity_first'])} to {three_figures(walk['severity_last'])}"
        parts.append(f"What the {walk.get('answers_of', MODELS['aae'])} says of the {target.noun} goes from {ends}.")
    about = summary["directions"].get(walk["direction"]) or {}
    if about.get("spearman") is not None:
        parts.append(
            f"The direction orders the held-out items as the true {target.noun} does with a Spearman correlation of"
            f" {fixed(about['spearman'], 3)}."
        )
    if each:
        median = three_figures(next(iter(scored.values()))["valid_mae_of_median"])
        parts.append(f"Mean error on held-out items: {and_list(each)}; always the median: {median}.")
    weak = (severity_weakness(name, {k.removeprefix("valid_"): v for k, v in s.items()}) for name, s in scored.items())
    return " ".join([*parts, *filter(None, weak)])


def _severity_section(run: RunFiles, summary: dict, target) -> dict:
    """The severity's scores, the directions' order of the items, and two charts."""
    first, last = target.classes
    rows = [
        (name, [*(three_figures(s.get(f"valid_{key}")) for key in ("mae", "mae_of_median", "rmse")),
                fixed(s.get("valid_r2"), 3), fixed(s.get("valid_spearman"), 3)])
        for key, name in models_of(summary.get("kind")).items() if (s := summary[key]).get("valid_mae") is not None
    ]  # fmt: skip
    ordered = [(direction_name(name, summary.get("kind")), fixed(about["spearman"], 3))
               for name, about in summary["directions"].items()
               if about.get("spearman") is not None]  # fmt: skip
    charts = [_order_chart(run, summary, target), _walk_chart(run, summary, target)]
    return {
        "about": f"Each item has a number, {target.noun}. The models learn the number itself. Where two sides are "
        f"spoken of, {first} is up to its median of {three_figures(target.middle)} and {last} above it; the probability"
        f" of {last} follows from the answered number and the model's error on held-out items. There are no classes: a "
        "confusion matrix would say nothing.",
        "columns": ("Mean error", "of the median", "RMSE", "R\u00b2", "Spearman"),
        "rows": rows,
        "ordered": ordered,
        "charts": [chart for chart in charts if chart],
        "tiles": _tiles(summary, "valid_spearman", "Spearman", "between answered and true"),
    }


def _tiles(summary: dict, key: str, title: str, note: str) -> list[tuple]:
    """A tile for each model: name, value, note."""
    return [(f"{title} of the {name}", fixed(summary[part].get(key), 3), note)
            for part, name in models_of(summary.get("kind")).items() if summary[part].get(key) is not None]  # fmt: skip


def _order_chart(run: RunFiles, summary: dict, target) -> dict | None:
    """Held-out items: the true severity against the place along the main direction."""
    table, name = run.table("positions.csv"), target.columns[0]
    if table is None or run.items is None or len(table) != len(run.items) or name not in run.items:
        return None
    held = np.flatnonzero(run.items["split"] == "valid")
    held = held[evenly(len(held), MOST_DOTS)]
    x, y = table["position"].to_numpy(float)[held], run.items[name].to_numpy(float)[held]
    axes = Axes(axis_limits(x), axis_limits(y), height=230)
    frame = axes.frame("place along the direction (standard deviations)")
    alt = f"True {target.noun} of held-out items against their place along the main direction"
    return {
        "title": f"True {target.noun} along the direction",
        "note": "each dot a held-out item",
        "svg": axes.svg(frame, axes.dots(x, y, "accent fine"), alt=alt),
    }


def _walk_chart(run: RunFiles, summary: dict, target) -> dict | None:
    """What the model says of the severity on every frame of the main walk: each start thin, the median thick."""
    walk = run.walk(summary["walk"]["direction"] or BEST)
    if walk is None or "severity" not in walk:
        return None
    severity = walk["severity"]
    x = np.arange(1, severity.shape[1] + 1)
    axes = Axes(axis_limits(x, pad=0.02), axis_limits(severity), height=230)
    lines: list[Markup] = [axes.line(x, each, "thin") for each in severity]
    middle = axes.line(x, quartiles(severity)[1], "accent thick")
    alt = f"{target.noun} as the model answers it on each frame of the walk, every start and their median"
    return {
        "title": f"{target.noun} that the model sees in the frames",
        "note": "thin: each start; thick: their median",
        "svg": axes.svg(axes.frame("frame of the walk"), *lines, middle, alt=alt),
    }


# ---- labels -----------------------------------------------------------------------------------------------------


def _labels_sentence(summary: dict, target) -> str:
    """The mean scores of the models over the labels."""
    scored = {
        name: summary[key]
        for key, name in models_of(summary.get("kind")).items()
        if summary[key].get("valid_auroc") is not None
    }
    each = [f"{fixed(s['valid_auroc'], 3)} for the {name}" for name, s in scored.items()]
    return f"Mean AUROC of the {len(target.columns)} labels on held-out items: {and_list(each)}." if each else ""


def _labels_section(run: RunFiles, summary: dict, target) -> dict:
    """Each label's scores by each model, and how often it is known."""
    rows = []
    for key, name in models_of(summary.get("kind")).items():
        for label, each in (summary[key].get("valid_labels") or {}).items():
            scores = [fixed(each.get(score), 3) for score in ("auroc", "average_precision", "balanced_accuracy")]
            counts = [str(each[count]) for count in ("present", "absent", "unknown")]
            rows.append((f"{name}, {label}", scores + counts))
    return {
        "about": f"Each item has {len(target.columns)} labels ({', '.join(target.names)}), each present, absent or "
        "unknown; unknown ones count neither in the loss nor in the scores. Walks lead from "
        f"{target.classes[0]} to {target.classes[1]}, the first label; a further walk leads to each of the others.",
        "columns": ("AUROC", "Average precision", "Balanced accuracy", "present", "absent", "unknown"),
        "rows": rows,
        "ordered": [],
        "charts": [],
        "tiles": _tiles(summary, "valid_auroc", "Mean AUROC", "of the labels, held out"),
    }


SECTIONS = {SEVERITY.name: _severity_section, LABELS.name: _labels_section}  # task -> what makes its section
SENTENCES = {SEVERITY.name: _severity_sentence, LABELS.name: _labels_sentence}  # task -> what is said of it on top
