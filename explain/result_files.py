"""What `explain` leaves and says besides the maps: the items, a line for each method, a table, figures."""

import os
import shutil
from dataclasses import replace

import numpy as np
from tqdm.auto import tqdm

from xaae.experiment import run_folder
from xaae.explain.figures import heatmaps
from xaae.explain.figures.heatmaps import preset_for
from xaae.explain.figures.sheets import side_by_side
from xaae.explain.method import METHODS
from xaae.explain.method_plan import Entry
from xaae.explain.process import runner, status
from xaae.explain.process.worker import entry_title

MODELS = {"aae": "AAE", "baseline": "ResNet34"}


def write_cases(question, answers, place, folder, usual):
    """Each case with its arrays in `place`; `items.npz`: x, row, label, classes and what each network said.

    usual: background items (n, C, H, W), None without.
    """
    x = question.x.numpy()
    items = {"x": x, "row": question.row, "label": np.array(question.label, dtype=str)}
    items["classes"] = np.array(question.trained.classes if question.trained else [], dtype=str)
    for case, target, said in answers:
        items |= {f"{case.name}.target": target, f"{case.name}.{'position' if case.vector else 'probability'}": said}
    earlier = _earlier_answers(folder / "items.npz", x)
    if (folder / "items.npz").is_file() and not earlier:
        _clear(folder)
    run_folder.write_arrays(folder / "items.npz", **(earlier | items))
    known = {"x": x, "row": question.row} | ({} if usual is None else {"background": usual})
    cases = []
    for case, target, _ in answers:
        arrays = place.absolute() / f"{case.name}.npz"
        run_folder.write_arrays(arrays, **known, target=target, text=np.array(_captions(items, case.name)))
        cases.append(replace(case, arrays=str(arrays)))
    return cases


def _clear(folder):
    """Take away what earlier explanations of other items left: beside these it would be taken for theirs."""
    print("The maps of other items that were here are replaced; --out keeps them apart.")
    shutil.rmtree(folder / "maps", ignore_errors=True)
    for path in [folder / "status.csv", *folder.glob("side_by_side_*.png"), *folder.glob("tiles_*.npz")]:
        path.unlink(missing_ok=True)


def _earlier_answers(path, x):
    """What other networks said of the same items x before, as arrays by name."""
    if not path.is_file():
        return {}
    with np.load(path, allow_pickle=False) as arrays:
        if not np.array_equal(arrays["x"], x):
            return {}
        return {name: arrays[name] for name in arrays.files if "." in name}


def run_and_keep(jobs, folder, place, at_once, question):
    """Run the jobs with a bar and a line for each, then a table; the new rows."""
    which = "the picture" if question.row[0] < 0 else f"rows {', '.join(map(str, question.row))}"
    print(f"{len(jobs)} maps of {which}: {at_once} at once, {jobs[0].threads} threads each")
    with tqdm(total=len(jobs), desc="explaining", disable=None) as bar:

        def say(row):
            bar.write(str(row))
            bar.update()

        rows = runner.run_jobs(jobs, folder, place, at_once, say)
    table = status.status_table(rows).assign(reason=[row.reason[:70] for row in rows])
    print(table.to_string(index=False))
    return rows


def draw_answers(folder, name):
    """`side_by_side_NAME.png` and, for the report, `tiles_NAME.npz`: all maps that a network has of the items explained
    last; neither if there are none."""
    with np.load(folder / "items.npz", allow_pickle=False) as arrays:
        items = dict(arrays)
    found = _maps_of(folder, name, items)
    if not found:
        return
    maps = {label: each for label, (_, each) in found.items()}
    titles = {label: entry_title(Entry(method, label)) for label, (method, _) in found.items()}
    presets = {label: preset_for(method) for label, (method, _) in found.items()}
    about = {"titles": titles, "presets": presets, "title": MODELS.get(name, name)}
    figure = side_by_side(items["x"], maps, labels=_captions(items, name), **about)
    part = folder / f"side_by_side_{name}.part"
    figure.savefig(part, format="png")
    os.replace(part, part.with_suffix(".png"))
    if items["x"].ndim == 4:
        _write_tiles(folder / f"tiles_{name}.npz", items, _captions(items, name), found, titles)


def _captions(items, name):
    """What stands under each item: its true class, where known, and the score that is explained."""
    if f"{name}.probability" not in items:
        asked = [f"at {position:+.2f}" for position in items[f"{name}.position"]]
    else:
        classes, said = items["classes"].tolist(), items[f"{name}.probability"]
        names = classes if len(classes) == said.shape[1] else [f"class {k}" for k in range(said.shape[1])]
        target = items[f"{name}.target"]
        sure = lambda p: f" {100 * p:.0f} %" if said.shape[1] > 1 else ""  # noqa: E731  (of one output there is none)
        asked = [f"why {names[t]}?{sure(p[t])}" for t, p in zip(target, said, strict=True)]
    return [f"{label}: {text}" if label else text for label, text in zip(items["label"], asked, strict=True)]


def _maps_of(folder, name, items):
    """{label: (method, maps)} of a network's maps that answer for these items and targets, in the registry's order."""
    found, order = {}, list(METHODS)
    known = [row for row in status.read_status(folder / "status.csv") if row.method in METHODS]
    for row in sorted(known, key=lambda row: (order.index(row.method), row.label)):
        path = folder / "maps" / f"{row.model}-{row.label}.npz"
        if row.model != name or row.status != "ok" or not path.is_file():
            continue
        with np.load(path, allow_pickle=False) as arrays:
            same = np.array_equal(arrays["row"], items["row"])
            if same and np.array_equal(arrays["target"], items[f"{name}.target"]):
                found[row.label] = row.method, arrays["attribution"]
    return found


def _write_tiles(path, items, texts, found, titles):
    """Write an .npz of images (B, H, W, 3), tiles (M, B, H, W, 3) uint8, and texts of the methods and the items.

    items: arrays x (B, C, H, W) and label (B,). texts (B,): what was asked. found: {label: (method, maps)}; titles:
    {label: text}. Pictures only: signals and volumes have no tiles.
    """
    x, methods = items["x"], [METHODS[method] for method, _ in found.values()]
    paint = lambda how, maps: heatmaps.heatmap(maps, heatmaps.preset_for(how.name), x=x, percentile=99)  # noqa: E731
    tiles = [paint(how, maps) for how, (_, maps) in zip(methods, found.values(), strict=True)]
    told = {"name": list(found), "title": [titles[label] for label in found]}
    told |= {"means": [m.means for m in methods], "flag": [m.flag for m in methods]}
    told |= {"label": items["label"], "asked": texts}
    run_folder.write_arrays(
        path, images=heatmaps.inputs(x), tiles=np.stack(tiles), **{k: np.array(v, dtype=str) for k, v in told.items()}
    )
