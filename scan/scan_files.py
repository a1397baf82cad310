"""What a scan leaves in its folder: scan.json, scan.png, and a strip of items for each factor."""

from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from xaae.experiment import run_folder
from xaae.experiment.figure_style import save_png
from xaae.experiment.kinds import SIGNAL
from xaae.factors.registry import FACTORS
from xaae.factors.signal_plants import hum_cycles
from xaae.scan import scan_figures
from xaae.scan.scan_sentences import limit_in_words
from xaae.scan.verdicts import NOT_USED, RULE

SHOWN = 2  # items of each class on a strip


def shown_items(labels):
    """Rows of the items on the strips: SHOWN of every class, of four classes at most."""
    names = sorted(set(labels))[:4]
    return np.concatenate([np.flatnonzero(labels == name)[:SHOWN] for name in names])


def _hum_of(scene):
    """The hum that is asked about, (number, unit); None where the items are no signals."""
    if scene.kind is not SIGNAL:
        return None
    length, rate = scene.items.x.shape[-1], scene.items.rate
    cycles = hum_cycles(length, rate)
    return (cycles / length * rate, "Hz") if rate else (cycles, "cycles a window")


def about_scan(scene, found):
    """What scan.json holds."""
    counts = pd.Series(scene.items.labels).value_counts().sort_index()
    return {
        "what": scene.what,
        "kind": scene.kind.name,
        "arm": scene.arm,
        "planted": scene.planted,
        "items": len(scene.items.x),
        "input_channels": scene.items.x.shape[1],
        "input_size": scene.items.x.shape[-1],
        "signal_scale": scene.signal_scale,
        "items_by_class": {name: int(n) for name, n in counts.items() if name},
        "seed": scene.seed,
        "rule": vars(RULE),
        "limit": limit_in_words(_hum_of(scene)),
        "models": found,
        "skipped": [{"path": path, "reason": reason} for path, reason in scene.skipped],
    }


def keep_scan(scene, grids, results, probability):
    """Write scan.json, scan.png, the strips as arrays, and a picture of each."""
    shown = shown_items(scene.items.labels)
    some = replace(scene.items, x=scene.items.x[shown], labels=scene.items.labels[shown],
                   values=None if scene.items.values is None else scene.items.values[shown])  # fmt: skip
    arrays = {"label": some.labels.astype(str), "row": shown}
    for grid in grids:
        frames = torch.stack([some.changed(grid.factor, v) for v in grid.values[shown].T], 1)
        arrays[f"{grid.factor}.frames"] = run_folder.as_stored(frames.numpy(), scene.kind)
        for name, found in probability.items():
            arrays[f"{grid.factor}.{name}"] = found[grid.factor].astype(np.float32)
    run_folder.write_json(scene.folder / "scan.json", results)
    run_folder.write_arrays(scene.folder / "scan" / "strips.npz", **arrays)
    save_png(scan_figures.swing_chart(results), scene.folder / "scan.png", dpi=110)
    for name in FACTORS:  # of an earlier scan
        (scene.folder / "scan" / f"{name}.png").unlink(missing_ok=True)
    draw = scan_figures.STRIP_DRAWING[scene.kind.name]
    for grid in filter(lambda grid: _worth_drawing(results, grid), grids):
        save_png(draw(results, arrays, grid.factor), scene.folder / "scan" / f"{grid.factor}.png", dpi=90)


def _worth_drawing(results, grid):
    """Is a factor planted, asked for, or not plainly unused by some model? The page shows the strips of all."""
    verdicts = {row["used"] for m in results["models"].values() for row in m["factors"] if row["factor"] == grid.factor}
    return grid.source in ("planted", "given") or verdicts != {NOT_USED}
