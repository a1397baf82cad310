"""The real items along the walk: exemplars, means of tenths, correlations, positions, impact curve, maps."""

import numpy as np
import pandas as pd
from scipy.special import softmax

from xaae.experiment import run_folder
from xaae.experiment.errors import InputError
from xaae.experiment.figure_style import save_png
from xaae.experiment.seeds import generator
from xaae.experiment.tasks import TASKS
from xaae.experiment.text_tables import write_texts
from xaae.experiment.vocabulary import models_of, short_name
from xaae.latent_nav import codes, contrasts, directions, exemplars, impact, latent_maps, plots, severity
from xaae.latent_nav.kept_answers import keep_answers, kept_or_asked
from xaae.latent_nav.stability import order_agreement as agreement_of

ALONG, COUNTER, SHOWN, THUMBS, MOST_ON_MAP, BASELINE_ITEMS = 11, 4, 6, 7, 2000, 1000
FEWEST_FOR_UMAP = 10
POINTS = np.linspace(-2, 2, ALONG)  # standard deviations along the main direction


def exemplars_all(encoded, starts):
    """Real items along the main direction, counter-exemplars of the starts, mean pictures of the tenths."""
    trained, rows, starts = encoded.trained, encoded.trained.rows("valid"), starts[:SHOWN]
    points = POINTS[: len(rows)]
    along = rows[exemplars.nearest_along(encoded.z[rows], encoded.way.vector, points * encoded.way.scale)]
    labels = encoded.labels[encoded.contrast.holds(encoded.labels)]
    k = min(COUNTER, min(np.sum(labels != label) for label in encoded.contrast.both))
    others, distance = encoded.nearest_others(starts, k)
    position = codes.relative_positions(encoded.z[rows], encoded.way.vector)
    mean, count = exemplars.tenth_means(position, trained.planted, rows)
    shown = np.stack([encoded.planted_images(each) for each in others])
    arrays = {
        "along_row": along,
        "along_image": encoded.planted_images(along),
        "along_position": encoded.position(along),
    }
    if (numbers := trained.numbers(along)) is not None:
        arrays["along_severity"] = numbers
    arrays |= {"start_row": starts, "start_image": encoded.planted_images(starts)}
    arrays |= {"counter_row": others, "counter_image": shown, "counter_distance": distance}
    severities = exemplars.tenth_numbers(position, trained.numbers(rows))
    tenths = {} if severities is None else {"tenth_severity": severities}
    tenths |= {"tenth_image": run_folder.as_stored(mean, encoded.trained.kind), "tenth_count": count}
    run_folder.write_arrays(trained.folder / "exemplars.npz", **arrays, **tenths)
    _draw_exemplars(encoded, arrays, tenths)


def _draw_exemplars(encoded, found, tenths):
    """`exemplars.png`: real items along the direction above, mean pictures of the tenths below."""
    above = [f"{p:+.1f}" for p in found["along_position"]]
    below = [f"n = {n}" for n in tenths["tenth_count"]]
    if "along_severity" in found:
        noun = short_name(encoded.trained.target.noun, 14)
        above = [f"{p}\n{noun} {s:.3g}" for p, s in zip(above, found["along_severity"], strict=True)]
        below = [f"{n}\nmean {s:.3g}" for n, s in zip(below, tenths["tenth_severity"], strict=True)]
    n = min(len(above), len(below))
    sheet = encoded.drawing.items(np.stack([found["along_image"][:n], tenths["tenth_image"][:n]]))
    title = f"Real items along {encoded.main} (standard deviations); mean of the items in each tenth"
    figure = plots.strip(sheet, [above[:n], below[:n]], title, note=encoded.drawing.note)
    save_png(figure, encoded.trained.folder / "exemplars.png", dpi=110)


def write_correlations(encoded):
    """`correlations.csv`: every column of numbers against the position along the main direction, within classes."""
    rows = encoded.trained.rows("valid")
    table = encoded.trained.table.iloc[rows].select_dtypes(["number", "bool"])
    found = exemplars.factor_correlations(encoded.position(rows), table, encoded.labels[rows], encoded.rng)
    found.to_csv(encoded.trained.folder / "correlations.csv", index=False)


def write_positions(encoded):
    """`positions.csv`: where every item lies along the main direction, its severity, the probability of the last side.

    Severity by the thesis's regression with label-distribution smoothing, in its unit; where items have none 0 and 1
    for the two sides of the contrast.
    """
    trained, found = encoded.trained, encoded.evidence(encoded.contrast)
    model = severity.severity_model(found.z, found.amount)
    columns = {"position": encoded.position(np.arange(len(encoded.z))), "severity": model.predict(encoded.z)}
    columns |= {"probability": softmax(encoded.logits, 1)[:, encoded.contrast.columns[1]].sum(1)}
    table = trained.table[["path", "label", "split"]].assign(**{k: np.round(v, 4) for k, v in columns.items()})
    write_texts(table, trained.folder / "positions.csv")


def agreement_with_runs(encoded, others):
    """How alike other runs order the same held-out items: {folder: |Spearman| of the positions}.

    InputError where fewer than half of the items are the same ones.
    """
    own = pd.read_csv(encoded.trained.folder / "positions.csv").query("split == 'valid'")
    found = {}
    for other in others:
        table = own.merge(pd.read_csv(other / "positions.csv"), on="path", suffixes=("", "_other"))
        if len(table) < len(own) / 2:
            raise InputError(f"{other} holds other items than this run: compare runs of the same data.")
        found[str(other)] = agreement_of(table.position, table.position_other)
    return found


# ---- impact -----------------------------------------------------------------------------------------------------


def impact_all(encoded):
    """Impact curves of the AAE and, where there is one, the baseline; numbers for `navigate.json`."""
    trained, rows = encoded.trained, encoded.trained.rows("valid")
    rows = rows[encoded.contrast.holds(encoded.labels[rows])]
    position = {"aae": codes.relative_positions(encoded.z[rows], encoded.way.vector)}
    if trained.has_baseline():
        position["baseline"] = _baseline_position(encoded, rows)
    value, label = trained.table.value.to_numpy()[rows], encoded.labels[rows]
    found = {name: impact.impact(p, value, label) for name, p in position.items()}
    numbers, curves = ({name: pair[i] for name, pair in found.items()} for i in (0, 1))
    flat = {f"{name}.{key}": array for name, c in curves.items() for key, array in c.items()}
    run_folder.write_arrays(trained.folder / "impact.npz", value=value, label=label, **flat)
    if np.ptp(value):  # where nothing was planted there is no curve
        figure = plots.impact_figure(curves, numbers, trained.factor.about(), models_of(trained.kind))
        save_png(figure, trained.folder / "impact.png", dpi=150)
    return numbers["aae"] | {f"baseline_{k}": v for k, v in numbers.get("baseline", {}).items()}


def _baseline_position(encoded, rows):
    """Where held-out items lie along the direction that best separates the baseline's own training features."""
    trained, fit_rows = encoded.trained, _fit_rows(encoded.trained)
    learned, held = kept_or_asked(trained, rows.tobytes(), lambda: _features(trained, fit_rows, rows))
    evidence = encoded.contrast.evidence(learned, encoded.labels[fit_rows], None, trained.numbers(fit_rows))
    (direction,) = directions.fit_directions(evidence, [TASKS[trained.config.task].direction])
    return codes.relative_positions(held, direction.vector)


def find_features_ahead(trained):
    """Keep what `impact_all` needs of the baseline of a TrainedRun, whose AAE may still learn, in this process.

    Of the items of the first class and the last, as where no other contrast is asked for.
    """
    rows = trained.rows("valid")
    rows = rows[contrasts.contrast("", trained.classes).holds(trained.table.label.to_numpy().astype(str)[rows])]
    keep_answers(trained, rows.tobytes(), _features(trained, _fit_rows(trained), rows))


def _fit_rows(trained):
    """Table rows of the training items by whose features the baseline's direction is found, at most BASELINE_ITEMS."""
    rows = generator(trained.config.seed, "impact").permutation(trained.rows("train"))
    return np.sort(rows[:BASELINE_ITEMS])


def _features(trained, *rows):
    """The baseline's features (n, F) of table rows, of each that are given."""
    network = trained.model("baseline")
    return [codes.last_layer_inputs(network, trained.planted, each) for each in rows]


# ---- maps -------------------------------------------------------------------------------------------------------


def start_maps(encoded, names):
    """The rows on the maps, the maps there can be, and of these UMAP being made meanwhile: {name: future}."""
    rows, seed = encoded.trained.rows("valid"), encoded.trained.config.seed
    rows = np.sort(generator(seed, "map items").permutation(rows)[:MOST_ON_MAP])
    names = [name for name in names if name != "umap" or len(rows) >= FEWEST_FOR_UMAP]
    return rows, names, {name: latent_maps.elsewhere(name, encoded.z[rows], seed) for name in names if name == "umap"}


def maps_all(encoded, rows, names, futures):
    """`maps.npz` and `maps.png`: two-dimensional maps of held-out codes with real items along the main direction."""
    trained, z, labels = encoded.trained, encoded.z[rows], encoded.labels[rows]
    here = {name: latent_maps.MAPS[name](z, trained.config.seed) for name in names if name not in futures}
    found = {f"{n}.xy": xy for n, xy in (here | {n: f.result() for n, f in futures.items()}).items()}
    if "pca" in names:
        found["pca.arrow"] = latent_maps.arrow(z, encoded.way)
    found |= {"side.xy": latent_maps.side(z, encoded.way), "side.arrow": np.array([[-2.0, 0], [2, 0]])}
    points = np.linspace(-2, 2, min(THUMBS, len(rows))) * encoded.way.scale
    at = exemplars.nearest_along(z, encoded.way.vector, points, z.mean(0))
    thumbs = encoded.planted_images(rows[at])
    run_folder.write_arrays(trained.folder / "maps.npz", row=rows, thumb_row=rows[at], thumb_image=thumbs, **found)
    save_png(plots.maps_figure(found, labels, encoded.drawing.items(thumbs), at), trained.folder / "maps.png", dpi=130)
