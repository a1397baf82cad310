"""A made-up scan in a run folder, put together by what writes real ones."""

import numpy as np

from xaae.experiment.factor_questions import question_rows
from xaae.experiment.run_folder import write_arrays, write_json
from xaae.experiment.vocabulary import MODELS
from xaae.factors.registry import FACTORS
from xaae.scan.scan_sentences import LIMIT, headline, tell_row
from xaae.scan.value_ranges import ValueGrid
from xaae.scan.verdicts import RULE, judge_factors

SHOWN, V = 4, 9  # items on a strip, values of a grid


def write_scan(folder, rng, classes, channels, planted="rotation"):
    """scan.json and scan/strips.npz: the planted factor is used by both models, another one by none."""
    names = [planted, "contrast"]
    axes = [np.linspace(*FACTORS[planted].whole, V), np.linspace(0.1, 0.2, V)]
    units, sources = (FACTORS[planted].unit, "of full scale"), ("planted", "data")
    grids = [ValueGrid(n, np.tile(a, (2, 1)), a, u, s) for n, a, u, s in zip(names, axes, units, sources, strict=True)]
    factors = judge_factors([_row(grid, swing, classes) for grid, swing in zip(grids, (0.9, 0.05), strict=True)])
    model = {"classes": list(classes), "remark": "", "agreement": 0.5, "seconds": 1.0}
    model["factors"] = [tell_row(row) | {"swing_of": dict.fromkeys(classes, row["swing"])} for row in factors]
    models = {name: model | {"title": title, "headline": headline(model)} for name, title in MODELS.items()}
    data = {planted: {"auroc": 0.99, "low": 0.98, "high": 1.0, "p": 0.0, "of": classes[-1], "p_holm": 0.0,
                      "differs": True}, "contrast": None}  # fmt: skip
    about = {"what": "run", "kind": "picture", "arm": "biased", "planted": planted, "items": 200, "seed": 3,
             "input_channels": channels, "input_size": 16, "signal_scale": {},
             "items_by_class": dict.fromkeys(classes, 100), "rule": vars(RULE), "limit": LIMIT, "models": models,
             "skipped": [], "whole": True, "data": data, "seconds": 2.0}  # fmt: skip
    write_json(folder / "scan.json", about | {"questions": question_rows(about)})
    arrays = {"label": np.array(list(classes) * (SHOWN // 2))[:SHOWN], "row": np.arange(SHOWN)}
    for grid in grids:
        arrays[f"{grid.factor}.frames"] = rng.integers(0, 256, (SHOWN, V, 16, 16, 1 if channels == 1 else 3), np.uint8)
        arrays |= {
            f"{grid.factor}.{m}": rng.dirichlet(np.ones(len(classes)), (SHOWN, V)).astype(np.float32) for m in MODELS
        }
    write_arrays(folder / "scan" / "strips.npz", **arrays)


def _row(grid, swing, classes):
    """A row as `scan_factors` makes it."""
    rise = 0.5 + swing * (np.linspace(0, 1, V) - 0.5)
    each = {"n": 100, "swing": swing, "swing_low": swing - 0.01, "swing_high": swing + 0.01, "flips": swing,
            "flips_at": float(np.mean(grid.axis)), "mean": [list(1 - rise), list(rise)]}  # fmt: skip
    beyond = {"values": [-1.0, 1.0], "flips": [0.2, 0.3], "holds_from": -0.5, "holds_to": 0.5}
    return each | {
        "factor": grid.factor, "unit": grid.unit, "axis": grid.axis.tolist(), "source": grid.source, "reached": 1.0,
        "n": 200, "unchanged": 0, "one_value": False, "null_flips": 0.1, "p": 1e-9 if swing > 0.5 else 0.5,
        "by_class": dict.fromkeys(classes, each),
        "beyond": beyond if grid.source == "data" else {},
    }  # fmt: skip
