"""The real items along the walk: exemplars, means of tenths, correlations, positions, impact curve, maps, health."""

import numpy as np
import pandas as pd
from scipy.special import softmax

import runs
from errors import InputError
from latent_nav import codes, directions, exemplars, health, impact, maps, plots, severity
from latent_nav.stability import agreement as agreement_of

ALONG, COUNTER, SHOWN, THUMBS, MOST_ON_MAP, BASELINE_ITEMS = 11, 4, 6, 7, 2000, 1000
FEWEST_FOR_UMAP = 10
POINTS = np.linspace(-2, 2, ALONG)  # standard deviations along the main direction


def exemplars_all(tour, starts):
    """Real items along the main direction, counter-exemplars of the starts, mean pictures of the tenths."""
    scene, rows, starts = tour.scene, tour.scene.rows("valid"), starts[:SHOWN]
    points = POINTS[: len(rows)]
    along = rows[exemplars.nearest_along(tour.z[rows], tour.way.vector, points * tour.way.scale)]
    k = min(COUNTER, min(np.sum(tour.labels != label) for label in scene.classes))
    others, distance = exemplars.counter_exemplars(tour.z, tour.labels, tour.z[starts], tour.labels[starts], k)
    mean, count = exemplars.tenth_means(codes.positions(tour.z[rows], tour.way.vector), scene.planted, rows)
    shown = np.stack([tour.planted_images(each) for each in others])
    arrays = {"along_row": along, "along_image": tour.planted_images(along), "along_position": tour.position(along)}
    arrays |= {"start_row": starts, "start_image": tour.planted_images(starts)}
    arrays |= {"counter_row": others, "counter_image": shown, "counter_distance": distance}
    tenths = {"tenth_image": runs.as_pictures(mean), "tenth_count": count}
    runs.write_arrays(scene.folder / "exemplars.npz", **arrays, **tenths)
    draw_exemplars(tour, arrays, tenths)


def draw_exemplars(tour, found, tenths):
    """`exemplars.png`: real items along the direction above, mean pictures of the tenths below."""
    above = [f"{p:+.1f}" for p in found["along_position"]]
    below = [f"n = {n}" for n in tenths["tenth_count"]]
    n = min(len(above), len(below))
    sheet = np.stack([found["along_image"][:n], tenths["tenth_image"][:n]])
    title = f"Real items along {tour.main} (standard deviations); mean of the items in each tenth"
    plots.strip(sheet, [above[:n], below[:n]], title).savefig(tour.scene.folder / "exemplars.png", dpi=110)


def correlations(tour):
    """`correlations.csv`: every column of numbers against the position along the main direction, within classes."""
    rows = tour.scene.rows("valid")
    table = tour.scene.table.iloc[rows].select_dtypes(["number", "bool"])
    found = exemplars.factor_correlations(tour.position(rows), table, tour.labels[rows], tour.rng)
    found.to_csv(tour.scene.folder / "correlations.csv", index=False)


def positions(tour):
    """`positions.csv`: where every item lies along the main direction, its severity, the probability of the last class.

    Severity by the thesis's regression with label-distribution smoothing, 0 and 1 for the two sides of the contrast.
    """
    scene, found = tour.scene, tour.evidence(tour.sides)
    model = severity.severity_model(found.z, found.last.astype(float))
    columns = {"position": tour.position(np.arange(len(tour.z))), "severity": model.predict(tour.z)}
    columns |= {"probability": softmax(tour.logits, 1)[:, -1]}
    table = scene.table[["path", "label", "split"]].assign(**{k: np.round(v, 4) for k, v in columns.items()})
    table.to_csv(scene.folder / "positions.csv", index=False)


def agreement(tour, others):
    """How alike other runs order the same held-out items: {folder: |Spearman| of the positions}.

    InputError where fewer than half of the items are the same ones.
    """
    own = pd.read_csv(tour.scene.folder / "positions.csv").query("split == 'valid'")
    found = {}
    for other in others:
        table = own.merge(pd.read_csv(other / "positions.csv"), on="path", suffixes=("", "_other"))
        if len(table) < len(own) / 2:
            raise InputError(f"{other} holds other items than this run: compare runs of the same data.")
        found[str(other)] = agreement_of(table.position, table.position_other)
    return found


# ---- impact -----------------------------------------------------------------------------------------------------


def impact_all(tour):
    """Impact curves of the AAE and, where there is one, the baseline; numbers for `navigate.json`."""
    scene, rows = tour.scene, tour.scene.rows("valid")
    position = {"aae": codes.positions(tour.z[rows], tour.way.vector)}
    if scene.has_baseline():
        position["baseline"] = baseline_position(tour, rows)
    value, label = scene.table.value.to_numpy()[rows], tour.labels[rows]
    found = {name: impact.impact(p, value, label) for name, p in position.items()}
    numbers, curves = ({name: pair[i] for name, pair in found.items()} for i in (0, 1))
    flat = {f"{name}.{key}": array for name, c in curves.items() for key, array in c.items()}
    runs.write_arrays(scene.folder / "impact.npz", value=value, label=label, **flat)
    figure = plots.impact_figure(curves, numbers, scene.factor.about())
    figure.savefig(scene.folder / "impact.png", dpi=150)
    return numbers["aae"] | {f"baseline_{k}": v for k, v in numbers.get("baseline", {}).items()}


def baseline_position(tour, rows):
    """Where held-out items lie along the direction that best separates the baseline's own training features."""
    network, fit_rows = tour.scene.model("baseline"), tour.scene.rows("train")
    fit_rows = np.sort(tour.rng.permutation(fit_rows)[:BASELINE_ITEMS])
    learned = codes.features(network, tour.scene.planted, fit_rows)
    sides = directions.contrast("", tour.scene.classes)
    (direction,) = directions.fit_directions(
        sides.evidence(learned, tour.labels[fit_rows], tour.scene.classes), ["lda"]
    )
    return codes.positions(codes.features(network, tour.scene.planted, rows), direction.vector)


# ---- maps and health --------------------------------------------------------------------------------------------


def start_maps(tour, names):
    """The rows on the maps, the maps there can be, and of these UMAP being made meanwhile: {name: future}."""
    rows, seed = tour.scene.rows("valid"), tour.scene.config["seed"]
    rows = np.sort(np.random.default_rng([seed, 5]).permutation(rows)[:MOST_ON_MAP])
    names = [name for name in names if name != "umap" or len(rows) >= FEWEST_FOR_UMAP]
    return rows, names, {name: maps.elsewhere(name, tour.z[rows], seed) for name in names if name == "umap"}


def maps_all(tour, rows, names, futures):
    """`maps.npz` and `maps.png`: two-dimensional maps of held-out codes with real items along the main direction."""
    scene, z, labels = tour.scene, tour.z[rows], tour.labels[rows]
    here = {name: maps.MAPS[name](z, scene.config["seed"]) for name in names if name not in futures}
    found = {f"{n}.xy": xy for n, xy in (here | {n: f.result() for n, f in futures.items()}).items()}
    if "pca" in names:
        found["pca.arrow"] = maps.arrow(z, tour.way)
    found |= {"side.xy": maps.side(z, tour.way), "side.arrow": np.array([[-2.0, 0], [2, 0]])}
    points = np.linspace(-2, 2, min(THUMBS, len(rows))) * tour.way.scale
    at = exemplars.nearest_along(z, tour.way.vector, points, z.mean(0))
    thumbs = tour.planted_images(rows[at])
    runs.write_arrays(scene.folder / "maps.npz", row=rows, thumb_row=rows[at], thumb_image=thumbs, **found)
    plots.maps_figure(found, labels, thumbs, at).savefig(scene.folder / "maps.png", dpi=130)


def health_of(tour):
    """The latent health of the held-out codes; the section health of `navigate.json`, None with too few items."""
    scene, rows = tour.scene, tour.scene.rows("valid")
    if len(rows) < health.FEWEST_ITEMS:
        return None
    informed = tour.model.prior == "class"
    means = tour.model.prior_means.cpu().numpy() if informed else None
    index = np.array([scene.classes.index(label) for label in tour.labels[rows]])
    factors = scene.table.iloc[rows].drop(columns=["path", "split", "group", "factor"])
    return health.latent_health(tour.z[rows], index, means, factors, tour.rng)
