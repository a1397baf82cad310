"""The learning curves of the AAE and of the baseline: one chart for each loss and each measure."""

import numpy as np
import pandas as pd
from markupsafe import Markup

from xaae.report.shared.charts import Axes, axis_limits, nice_ticks
from xaae.report.shared.run_files import RunFiles

METRICS = (  # columns that are no losses
    "accuracy", "precision", "recall", "mae", "r2", "spearman", "auroc", "average_precision",
)  # fmt: skip
TARGETS = {  # column of the baseline's log, of the AAE's with "valid_" before it: severities and labels
    "mae": ("Mean error, held out", "of the severity, in standard deviations of training", None),
    "spearman": ("Spearman, held out", "between answered and true severity", None),
    "auroc": ("Mean AUROC, held out", "of the labels", None),
    "average_precision": ("Mean average precision, held out", "of the labels", None),
}
HEALTH = {  # column: (title, note, reference line)
    "valid_accuracy": ("Accuracy, held out", "share of held-out items that the AAE classifies correctly", None),
    **{f"valid_{name}": about for name, about in TARGETS.items()},
    "valid_discriminator_accuracy": ("Discriminator accuracy", "0.5: it cannot tell codes from the prior", 0.5),
    "valid_code_mean_norm": ("Norm of the mean code", "0 for a centred latent space", 0.0),
    "valid_code_cov_error": ("Covariance error of the codes", "0 for the covariance of the prior", 0.0),
}
BASELINE = {"accuracy": ("Accuracy, held out", "share of held-out items classified correctly", None), **TARGETS}


def learning_curves(run: RunFiles) -> dict:
    """Charts of the AAE's losses and latent health and of the baseline's losses; [] for what there is no table of."""
    aae, baseline = run.table("history.csv"), run.table("baseline_history.csv")
    return {
        "losses": [] if aae is None else _loss_charts(aae),
        "stages": [] if aae is None else [name for _, name in _stages(aae)],
        "health": [] if aae is None else _measure_charts(aae, HEALTH),
        "baseline": [] if baseline is None else _loss_charts(baseline) + _measure_charts(baseline, BASELINE),
    }


def _loss_charts(history: pd.DataFrame) -> list[dict]:
    """One chart for each named loss: training thin, held-out in the accent colour."""
    names = dict.fromkeys(name.split("_", 1)[1] for name in history if name.startswith(("train_", "valid_")))
    losses = (n for n in names if n not in METRICS and f"valid_{n}" not in HEALTH)
    return [chart for name in losses if (chart := _loss_chart(history, name))]


def _loss_chart(history: pd.DataFrame, name: str) -> dict | None:
    """The chart of one loss; None if it was never a number."""
    columns = {f"train_{name}": "quiet", f"valid_{name}": "accent"}
    lines = {column: css for column, css in columns.items() if _has_numbers(history, column)}
    if not lines:
        return None
    title = "Loss" if name == "loss" else f"{name.replace('_', ' ').capitalize()} loss"
    note = "mean squared error" if name == "reconstruction" else ""
    return {"title": title, "note": note, "svg": _curve(history, lines, f"{title} over the epochs")}


def _measure_charts(history: pd.DataFrame, measures: dict) -> list[dict]:
    """One chart for each of `measures` (column -> title, note, reference line) that the table holds."""
    return [
        {"title": title, "note": note, "svg": _curve(history, {name: "accent"}, f"{title} over the epochs", reference)}
        for name, (title, note, reference) in measures.items()
        if _has_numbers(history, name)
    ]


def _curve(history: pd.DataFrame, lines: dict[str, str], alt: str, reference: float | None = None) -> Markup:
    """A chart of some columns (name -> css class) over the epochs, with its stages marked."""
    x, values = _epochs(history), [_column(history, name) for name in lines]
    include = () if reference is None else (reference,)
    axes = Axes((x[0], max(x[-1], x[0] + 1)), axis_limits(*values, include=include), height=170, top=20, left=44)
    drawn = [axes.line(x, y, css) for y, css in zip(values, lines.values(), strict=True)]
    drawn += [axes.dots(x, y, css) for y, css in zip(values, lines.values(), strict=True) if np.isfinite(y).sum() < 3]
    marks = [axes.mark(at, str(i), "stage") for i, (at, _) in enumerate(_stages(history), 1)]
    line = [] if reference is None else [axes.line(axes.x, (reference, reference), "reference")]
    ticks = [t for t in nice_ticks(*axes.x) if t == int(t)] if len(x) > 8 else list(x)
    return axes.svg(axes.frame("epoch", x_ticks=ticks), *marks, *line, *drawn, alt=alt)


def _stages(history: pd.DataFrame) -> list[tuple[float, str]]:
    """(epoch, name) where each stage begins; [] if there is only one."""
    if "stage" not in history or history["stage"].nunique() < 2:
        return []
    names, x = history["stage"].astype(str).tolist(), _epochs(history)
    return [(x[i] - 0.5 if i else x[0], name) for i, name in enumerate(names) if not i or name != names[i - 1]]


def _epochs(history: pd.DataFrame) -> np.ndarray:
    """The epoch of each row, or the row's number where epochs are missing or start again with a stage."""
    epochs = _column(history, "epoch") if "epoch" in history else np.empty(0)
    rising = len(epochs) and np.isfinite(epochs).all() and (np.diff(epochs) > 0).all()
    return epochs if rising else np.arange(1.0, len(history) + 1)


def _has_numbers(history: pd.DataFrame, name: str) -> bool:
    """Does the table have this column, with a finite number in it?"""
    return name in history and bool(np.isfinite(_column(history, name)).any())


def _column(history: pd.DataFrame, name: str) -> np.ndarray:
    """A column as floats, NaN for what is no number."""
    return pd.to_numeric(history[name], errors="coerce").to_numpy(float)
