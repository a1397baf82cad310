"""The files that `explain` leaves beside the maps: the items and what the networks said of them, a table, figures."""

from collections import Counter
from dataclasses import replace
from functools import partial

import numpy as np
from tqdm.auto import tqdm

from xaae.experiment import run_folder
from xaae.experiment.amounts import counted
from xaae.experiment.figure_style import save_png
from xaae.experiment.kinds import kind_of
from xaae.experiment.traces import TraceSheet, draw_traces
from xaae.experiment.vocabulary import models_of
from xaae.explain.figures.heatmaps import heatmap, item_images, preset_for, scaled_values, to_unit_range
from xaae.explain.figures.sheets import curve_colours, side_by_side
from xaae.explain.method import METHODS
from xaae.explain.method_plan import Entry
from xaae.explain.process import runner, status
from xaae.explain.process.worker import entry_title

ITEMS = "items.npz"


# ---- items, and what the networks said of them ------------------------------------------------------------------


def write_cases(question, answers, place, folder, background):
    """The cases, each with a file of its arrays in `place`. Writes `items.npz` into `folder`.

    question: see explanation_run. answers: for each network (case, targets (B,), probabilities (B, K) or positions
    (B,)). background: items (n, C, *places) to compare with, None without. `items.npz` holds x, row, label, classes,
    and for each network NAME the arrays NAME.target and NAME.probability or NAME.position. What other networks said of
    the same items stays in it; maps of other items are removed from `folder`.
    """
    x = question.x.numpy()
    items = {"x": x, "row": question.row, "label": np.array(question.label, dtype=str)}
    items["classes"] = np.array(question.trained.classes if question.trained else [], dtype=str)
    for case, target, output in answers:
        items |= {f"{case.name}.target": target, f"{case.name}.{'position' if case.vector else 'probability'}": output}
    earlier = _earlier_answers(folder / ITEMS, x)
    if (folder / ITEMS).is_file() and not earlier:
        _remove_results(folder)
    run_folder.write_arrays(folder / ITEMS, **(earlier | items))
    shared = {"x": x, "row": question.row} | ({} if background is None else {"background": background})
    return [_write_case(case, target, items, shared, place) for case, target, _ in answers]


def _write_case(case, target, items, shared, place):
    """A case with its arrays in a file of `place`: `shared` ones, the targets (B,) and the caption of each item."""
    arrays = place.absolute() / f"{case.name}.npz"
    run_folder.write_arrays(arrays, **shared, target=target, text=np.array(_captions(items, case.name)))
    return replace(case, arrays=str(arrays))


def _remove_results(folder):
    """Remove the results for other items: beside the new ones they would be taken for maps of the new items."""
    print("The maps of other items that were here are replaced; --out keeps them apart.")
    stems = tuple(f"{row.model}-{row.label}." for row in status.read_status(folder / "status.csv"))
    maps = [path for path in (folder / "maps").glob("*") if path.name.startswith(stems)]
    for path in [*maps, folder / "status.csv", *folder.glob("side_by_side_*.png"), *folder.glob("tiles_*.npz")]:
        path.unlink(missing_ok=True)


def _earlier_answers(path, x):
    """What networks said earlier of the same items x, as arrays by name; {} if the file holds other items."""
    if not path.is_file():
        return {}
    with np.load(path, allow_pickle=False) as arrays:
        if not np.array_equal(arrays["x"], x):
            return {}
        return {name: arrays[name] for name in arrays.files if "." in name}


def _captions(items, name):
    """A caption for each item: its true class, where known, and the question that was asked of the network `name`."""
    if f"{name}.probability" not in items:
        questions = [f"at {position:+.2f}" for position in items[f"{name}.position"]]
    else:
        questions = _class_questions(items["classes"].tolist(), items[f"{name}.target"], items[f"{name}.probability"])
    return [f"{label}: {text}" if label else text for label, text in zip(items["label"], questions, strict=True)]


def _class_questions(classes, target, probability):
    """ "why cat? 87 %" for each target (B,) with probability (B, K); with one output its probability is always 1."""
    outputs = probability.shape[1]
    names = classes if len(classes) == outputs else [f"class {k}" for k in range(outputs)]
    texts = [f"why {names[t]}?" for t in target]
    if outputs > 1:
        texts = [f"{text} {100 * p[t]:.0f} %" for text, t, p in zip(texts, target, probability, strict=True)]
    return texts


# ---- maps -------------------------------------------------------------------------------------------------------


def run_and_report(jobs, folder, place, at_once, question):
    """Run the jobs with a progress bar and a line for each, print how many ended in which way, return their rows."""
    which = "the picture" if question.row[0] < 0 else f"rows {', '.join(map(str, question.row))}"
    print(f"{counted(len(jobs), 'maps')} of {which}: {at_once} at once, {counted(jobs[0].threads, 'threads')} each")
    with tqdm(total=len(jobs), desc="explaining", disable=None) as bar:

        def report(row):
            bar.write(str(row))
            bar.update()

        rows = runner.run_jobs(jobs, folder, place, at_once, report)
    ended = Counter(row.status for row in rows)
    told = [f"{ended[state]} {state}" for state in status.STATES if ended[state]]
    print(f"Of {counted(len(rows), 'maps')}: {', '.join(told)}.")
    return rows


# ---- figures ----------------------------------------------------------------------------------------------------


def draw_results(folder, name, scale=None):
    """Draw all maps that the network `name` has of the items in `items.npz`: `side_by_side_NAME.png` and, of a kind in
    TILES, `tiles_NAME.npz` for the report. Nothing is written if there are no maps. scale: `signal_scale` of the run,
    {} where items are no signals of a run."""
    with np.load(folder / ITEMS, allow_pickle=False) as arrays:
        items = dict(arrays)
    maps = _maps_of(folder, name, items)
    if not maps:
        return
    titles = {label: entry_title(Entry(method, label)) for label, (method, _) in maps.items()}
    captions, shown = _captions(items, name), models_of(kind_of(items["x"].shape)).get(name, name)
    _draw_sheet(folder / f"side_by_side_{name}.png", items["x"], maps, titles, captions, shown)
    if kind_of(items["x"].shape).name in TILES:
        _write_tiles(folder / f"tiles_{name}.npz", items, captions, maps, titles, scale or {})


def _maps_of(folder, name, items):
    """{label: (method, maps)}: the maps of the network `name` for these items and targets, in the registry's order."""
    maps, order = {}, list(METHODS)
    known = [row for row in status.read_status(folder / "status.csv") if row.method in METHODS]
    for row in sorted(known, key=lambda row: (order.index(row.method), row.label)):
        path = folder / "maps" / f"{row.model}-{row.label}.npz"
        if row.model != name or row.status != "ok" or not path.is_file():
            continue
        with np.load(path, allow_pickle=False) as arrays:
            same_items = np.array_equal(arrays["row"], items["row"])
            if same_items and np.array_equal(arrays["target"], items[f"{name}.target"]):
                maps[row.label] = row.method, arrays["attribution"]
    return maps


def _draw_sheet(path, x, maps, titles, captions, title):
    """Save the figure of items x and their maps {label: (method, maps)}, whole or not at all."""
    presets = {label: preset_for(method) for label, (method, _) in maps.items()}
    arrays = {label: array for label, (_, array) in maps.items()}
    save_png(side_by_side(x, arrays, labels=captions, titles=titles, presets=presets, title=title), path)


def _write_tiles(path, items, captions, maps, titles, scale):
    """Write what the report shows of explanations.

    The .npz holds images (B, H, W, 3) and tiles (M, B, H, W, 3), uint8, of B items and M maps, and as texts: name,
    title, means, flag of the maps' methods; label and asked (the captions) of the items.
    """
    x, methods = items["x"], [METHODS[method] for method, _ in maps.values()]
    presets, arrays = [preset_for(m.name) for m in methods], [array for _, array in maps.values()]
    images, tiles = TILES[kind_of(x.shape).name](x, arrays, presets, scale)
    texts = {"name": list(maps), "title": [titles[label] for label in maps]}
    texts |= {"means": [m.means for m in methods], "flag": [m.flag for m in methods]}
    texts |= {"label": items["label"], "asked": captions}
    texts = {name: np.array(values, dtype=str) for name, values in texts.items()}
    run_folder.write_arrays(path, images=images, tiles=np.stack(tiles), **texts)


def _picture_tiles(x, maps, presets, scale):
    """Pictures x (B, C, H, W), or volumes, and their maps in colour: images (B, H, W, 3) and for each map as many."""
    return item_images(x), [heatmap(a, preset, x=x, percentile=99) for a, preset in zip(maps, presets, strict=True)]


def _signal_tiles(x, maps, presets, scale):
    """Signals x (B, C, T) as traces, and as such coloured by their maps; scale as a run's config has it."""
    if not scale:  # of a network of the user's own, whose items have any range
        x = to_unit_range(x, (1, 2))
    sheet, tiles = TraceSheet.of(scale, x.shape[1]), []
    for array, preset in zip(maps, presets, strict=True):
        if preset == "picture":
            tiles.append(draw_traces(np.clip(array, 0, 1), sheet))
        else:
            values = scaled_values(array, preset, percentile=99)[:, 0]
            tiles.append(draw_traces(x, sheet, weights=(values, partial(curve_colours, preset=preset))))
    return draw_traces(x, sheet), tiles


TILES = {
    "picture": _picture_tiles,
    "signal": _signal_tiles,
    "volume": _picture_tiles,
}  # kind -> what draws items and maps for the report
