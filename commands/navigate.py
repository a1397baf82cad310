"""`navigate RUN`: codes, directions, decoded walks with their measured rotation, impact curve and map."""

import time

import numpy as np
import torch
import torch.nn.functional as F
from tqdm.auto import tqdm

import runs
from commands.scene import fast, generator, open_scene
from latent_nav import codes, directions, impact, maps, plots, walks

MAIN = "lda"  # the direction that separates the classes best: the walk the report speaks of
NULL_STARTS = 8
GRID = tuple(range(0, 181, 15))


def navigate(run):
    """Write `latents.npz`, `directions.npz`, `walks/`, `impact.*`, `map.*` and `navigate.json` into the run folder."""
    began = time.perf_counter()
    scene = open_scene(run)
    model, rng = scene.model(), generator(scene.config, 3)
    with fast(scene.config):
        z, logits = codes.encode_items(model, scene.planted, np.arange(len(scene.table)))
        runs.write_arrays(scene.folder / "latents.npz", z=z, logits=logits)
        found = fitted(scene, model, z)
        starts = scene.starts(scene.config["starts"], rng)
        numbers = walk_all(scene, model, z, found, starts, rng)
        error = walks.reconstruction_error(model, scene.upright, starts, scene.plant, GRID)
        impacts = impact_all(scene, z, found[MAIN])
    draw_map(scene, z)
    numbers = {"walk": numbers, "impact": impacts, "meter": {"reconstruction_error_deg": error}}
    runs.write_json(scene.folder / "navigate.json", numbers | {"seconds": time.perf_counter() - began})


def fitted(scene, model, z):
    """Directions by name, fitted on the training codes and saved."""
    rows, head = scene.rows("train"), model.head.weight.detach().cpu().numpy()
    found = directions.fit_directions(z[rows], scene.table.label.to_numpy()[rows], scene.classes, head)
    arrays = {f"{d.name}.direction": d.vector for d in found} | {f"{d.name}.scale": d.scale for d in found}
    runs.write_arrays(scene.folder / "directions.npz", **arrays)
    return {d.name: d for d in found}


def walk_all(scene, model, z, found, starts, rng):
    """Walk every direction from the same starts and the null from the first of them; numbers for `navigate.json`."""
    alpha, home = walks.alphas(), torch.from_numpy(z[starts])
    y = one_hot(scene, starts)
    walked = {name: walks.walk(model, home, y, d, alpha) for name, d in found.items()}
    for name, walk in walked.items():
        keep_walk(scene, name, walk, starts)
    spans, rhos = null_walks(scene, model, z, home[:NULL_STARTS], alpha, rng)
    by_direction = {name: walk_numbers(walk, rng, spans) for name, walk in walked.items()}
    frames = {"starts": len(starts), "frames": len(alpha), "random_span_deg": float(np.median(spans))}
    frames |= {"random_spearman": float(np.median(rhos)), "random_directions": len(spans)}
    return {"direction": MAIN} | by_direction[MAIN] | frames | {"by_direction": by_direction}


def one_hot(scene, rows):
    """One-hot classes (N, K) of table rows."""
    index = [scene.classes.index(label) for label in scene.table.label.to_numpy()[rows]]
    return F.one_hot(torch.tensor(index), len(scene.classes)).float()


def null_walks(scene, model, z, home, alpha, rng):
    """Spans and rank correlations of random directions, saved to `walks/random.npz`."""
    chosen = directions.random_directions(scene.config["random_directions"], z[scene.rows("train")], rng)
    bar = tqdm(chosen, "random directions", leave=False, disable=None)
    spans, rhos = walks.null(model, home, bar, alpha)
    runs.write_arrays(scene.folder / "walks" / "random.npz", span=spans, spearman=rhos)
    return spans, rhos


def walk_numbers(walk, rng, null_spans):
    """Span with its interval and p value, rank correlation, match and class probabilities of one walk."""
    spans = np.abs(walk.spans())
    span = float(np.median(spans))
    return {
        "rotation_span_deg": span,
        "rotation_span_deg_ci": walks.median_interval(spans, rng),
        "rotation_spearman": float(np.median(walk.spearmans())),
        "p_value": walks.p_value(span, null_spans),
        "match": float(np.median(walk.match[:, -1])),
        "probability_first": float(walk.probability[:, 0, -1].mean()),
        "probability_last": float(walk.probability[:, -1, -1].mean()),
    }


def keep_walk(scene, name, walk, starts):
    """One walk as `walks/NAME.npz` and as a strip `walks/NAME.png`."""
    frames = runs.as_pictures(walk.frames)
    arrays = {"alpha": walk.alpha, "angle": walk.angle, "match": walk.match, "probability": walk.probability}
    arrays |= {"discriminator": walk.discriminator, "start": starts, "frames": frames}
    start_image = runs.as_pictures(scene.planted(starts).numpy())
    runs.write_arrays(scene.folder / "walks" / f"{name}.npz", start_image=start_image, **arrays)
    figure = plots.strip(frames, walk.angle, walk.probability, name, scene.classes[-1])
    figure.savefig(scene.folder / "walks" / f"{name}.png", dpi=90)


def impact_all(scene, z, direction):
    """Rotation-impact curves of the AAE and, where there is one, the baseline; numbers for `navigate.json`."""
    rows = scene.rows("valid")
    position = {"aae": codes.positions(z[rows], direction.vector)}
    if scene.has_baseline():
        position["baseline"] = baseline_position(scene, rows)
    value, label = scene.table.value.to_numpy()[rows], scene.table.label.to_numpy()[rows].astype(str)
    found = {name: impact.impact(p, value, label) for name, p in position.items()}
    numbers, curves = ({name: pair[i] for name, pair in found.items()} for i in (0, 1))
    flat = {f"{name}.{key}": array for name, c in curves.items() for key, array in c.items()}
    runs.write_arrays(scene.folder / "impact.npz", value=value, label=label, **flat)
    plots.impact_figure(curves, numbers).savefig(scene.folder / "impact.png", dpi=150)
    return numbers["aae"] | {f"baseline_{k}": v for k, v in numbers.get("baseline", {}).items()}


def baseline_position(scene, rows):
    """Where held-out items lie along the direction that best separates the baseline's own training features."""
    network, fit_rows = scene.model("baseline"), scene.rows("train")
    labels = scene.table.label.to_numpy()[fit_rows]
    learned = codes.features(network, scene.planted, fit_rows)
    head = network[1][-1].weight.detach().cpu().numpy()
    (direction,) = directions.fit_directions(learned, labels, scene.classes, head, (MAIN,))
    return codes.positions(codes.features(network, scene.planted, rows), direction.vector)


def draw_map(scene, z):
    """The t-SNE map of held-out codes with the class means' arrow and real images along it."""
    rows = scene.rows("valid")
    labels = scene.table.label.to_numpy()[rows].astype(str)
    xy = maps.tsne(z[rows], scene.config["seed"])
    arrow = maps.class_arrow(xy, labels, scene.classes)
    near = maps.along(xy, arrow)
    thumbs = runs.as_pictures(scene.planted(rows[near]).numpy())
    arrays = {"thumb_row": rows[near], "thumb_xy": xy[near], "thumb_image": thumbs}
    runs.write_arrays(scene.folder / "map.npz", xy=xy, row=rows, arrow=arrow, **arrays)
    plots.map_figure(xy, labels, arrow, thumbs, xy[near]).savefig(scene.folder / "map.png", dpi=150)
