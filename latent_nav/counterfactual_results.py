"""Minimal counterfactuals of `navigate`: the nearest code whose picture is decided otherwise, for held-out items."""

import numpy as np
import torch

from xaae.experiment import run_folder
from xaae.experiment.amounts import in_agreement
from xaae.experiment.figure_style import save_png
from xaae.experiment.vocabulary import short_name
from xaae.experiment.walk_words import KEEPS
from xaae.factors.measuring import measure_all
from xaae.latent_nav import counterfactual as nearest
from xaae.latent_nav import naming, plots, walks

STEPS, SEEN_STEPS = 40, 20  # of the descent on a decision of the head; on one of decoded items
SHOWN, MEASURED = 6, 64  # items that are drawn; that the meters read
NOTHING = "no meter changes by as much as the naming rule asks for"
LEAST = 1e-2  # nearer than this the reconstruction itself was decided otherwise: nothing to show


def counterfactual_all(encoded, starts, spread):
    """Counterfactuals of up to `encoded.counterfactuals` held-out items, the starts first; figures; numbers.

    Items of both sides of the main direction's contrast, each towards the other side.
    """
    held = encoded.trained.rows("valid")
    held = held[encoded.contrast.holds(encoded.labels[held])]
    others = encoded.rng.permutation(held[~np.isin(held, starts)])
    rows = np.concatenate([starts, others])[: encoded.counterfactuals]
    _, distance = encoded.nearest_others(rows, 1)
    near, found = _searched(encoded, rows)
    idle = ~(found.flipped & (found.distance > LEAST))
    shown = np.argsort(idle, kind="stable")[:SHOWN]  # what moves first
    _keep(encoded, rows[shown], found, shown, distance[shown, 0])
    told = {"already": _already(encoded, rows), "sentence": _in_words(encoded, rows, found, spread)}
    told["sides"] = [" or ".join(side) for side in (encoded.contrast.first, encoded.contrast.last)]
    return _numbers(found, near, distance[:, 0]) | told


def _searched(encoded, rows):
    """Counterfactuals of table rows (B,) at the border of the head, None without one, and where the decoded item is
    decided otherwise.

    Where nothing is found that is nearer than a real item of the other side, the line to that is searched. A code with
    coordinates may cross the border by these alone: the line to the real item's coordinates, where all else stays, is
    always searched too.
    """
    others, far = encoded.nearest_across(rows)
    model, z, real = encoded.model, encoded.codes(rows), encoded.codes(others)
    shared = {"threshold": encoded.floor, "target": encoded.contrast.opposite()}
    on_line = lambda at, ends: nearest.in_sight(model, z[at], ends[at], reaches=(1.0,), **shared)  # noqa: E731
    if model.head is None:  # what is drawn is decided in any case
        near, found = None, nearest.counterfactual(model, z, steps=SEEN_STEPS, **shared)
        by_coordinates = torch.cat([model.content(z), real[:, model.dims :]], 1)
        found = found.improved(np.arange(len(z)), on_line(slice(None), by_coordinates))
    else:
        near = nearest.counterfactual(model, z, steps=STEPS, **shared)
        found = nearest.in_sight(model, z, near.z, **shared)
    if (missing := np.flatnonzero(~(found.distance < far))).size:
        found = found.improved(missing, on_line(missing, real))
    return near, found


def _already(encoded, rows):
    """Share of items whose plain reconstruction is decided otherwise than they are: it has lost what decides."""
    seen = walks.second_look(encoded.model, walks.decode_codes(encoded.model, encoded.codes(rows)[:, None]))[:, 0]
    return float((seen.argmax(-1) != encoded.logits[rows].argmax(-1)).mean())


def _numbers(found, near, nearest_other):
    """The shares and medians of `navigate.json`; near are the codes at the head's own boundary, None without a head."""
    flipped = found.flipped
    return {
        "items": len(flipped),
        "flipped": None if near is None else float(near.flipped.mean()),
        "flipped_when_seen": float(flipped.mean()),
        "accepted": float(found.accepted[flipped].mean()) if flipped.any() else None,
        "acceptance_floor_percentile": 5,
        "distance_of_the_head": float(np.nanmedian(near.distance)) if near and near.flipped.any() else None,
        "distance": float(np.nanmedian(found.distance)) if flipped.any() else None,
        "nearest_other": float(np.median(nearest_other)),
        "shorter": float((found.distance < nearest_other)[flipped].mean()) if flipped.any() else None,
    }


def _in_words(encoded, rows, found, spread):
    """What the step across the border changes, from the first side of the contrast to the last, of items of either.

    Meters whose median change has as many spreads as a name needs; of the first MEASURED items.
    """
    first, last = encoded.contrast.columns
    reached = found.probability.argmax(1)
    known = np.flatnonzero(found.flipped & np.isin(reached, first + last))[:MEASURED]
    if not known.size:
        return NOTHING
    pairs = torch.stack([encoded.codes(rows[known]), found.z[known]], 1)
    back = torch.from_numpy(np.isin(reached[known], first))[:, None, None]
    frames = walks.decode_codes(encoded.model, torch.where(back, pairs.flip(1), pairs))
    changes = naming.meter_changes(measure_all(frames, encoded.meters), encoded.meters)
    sizes = {n: float(np.median(c)) for n, c in changes.items() if not encoded.meters[n].confirms}
    ends = {n: np.percentile(changes[n], [25, 75]) for n in sizes}
    large = [n for n, c in sizes.items() if naming.ratio(c, spread[n]) >= naming.RULE.spreads and np.prod(ends[n]) > 0]
    large = [n for n in large if not encoded.meters[n].say(sizes[n]).startswith(KEEPS)]
    told = [f"{in_agreement(encoded.meters[n].say(sizes[n]))} {encoded.meters[n].interval(ends[n])}" for n in large]
    return "; ".join(told) or NOTHING


def _keep(encoded, rows, found, at, nearest_other):
    """Pictures of a few items: input, reconstruction, counterfactual, difference, nearest item of another class."""
    home = encoded.codes(rows)
    frames = walks.decode_codes(encoded.model, torch.stack([home, found.z[at]], 1))
    probability = walks.second_look(encoded.model, frames)
    others, _ = encoded.nearest_others(rows, 1)
    shown, real = run_folder.as_stored(frames, encoded.trained.kind), encoded.planted_images(others[:, 0])
    difference = encoded.drawing.difference(frames[:, 1], frames[:, 0]).astype(np.float32)
    arrays = {
        "row": rows,
        "start_image": encoded.planted_images(rows),
        "nearest_image": real,
        "nearest_row": others[:, 0],
    }
    arrays |= {"reconstruction": shown[:, 0], "counterfactual": shown[:, 1], "difference": difference}
    arrays |= {"probability": probability, "distance": found.distance[at], "accepted": found.accepted[at]}
    run_folder.write_arrays(encoded.trained.folder / "counterfactuals.npz", nearest_other=nearest_other, **arrays)
    _draw(encoded, arrays, nearest_other)


def _draw(encoded, found, nearest_other):
    """`counterfactuals.png`: one row per item."""
    drawing, home = encoded.drawing, found["reconstruction"]
    columns = [drawing.items(found["start_image"]), drawing.items(home), drawing.beside(found["counterfactual"], home),
               drawing.change(found["difference"]), drawing.items(found["nearest_image"])]  # fmt: skip
    sides = encoded.contrast
    last, there = short_name(sides.goal, 14), found["probability"][..., sides.columns[1]].sum(-1)
    said = [[f"{last} {p:.2f}" for p in there[:, i]] for i in (0, 1)]
    away = lambda d: f"{d:.2f} away" if np.isfinite(d) else "none found"  # noqa: E731
    far = [[away(d) for d in each] for each in (found["distance"], nearest_other)]
    titles = ["input", "decoded", "otherwise", "change", "nearest real"]
    title = "Nearest code that is decided otherwise"
    figure = plots.rows_of_pictures(columns, titles, [None, *said, *far], title, drawing.note)
    save_png(figure, encoded.trained.folder / "counterfactuals.png", dpi=110)
