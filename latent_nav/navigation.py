"""`navigate RUN`: codes, directions, decoded walks and what they change, counterfactuals, exemplars, maps, health."""

import time
from pathlib import Path

from tqdm.auto import tqdm

from xaae.experiment import run_folder
from xaae.experiment.device import autocast_in
from xaae.experiment.errors import InputError
from xaae.experiment.seeds import generator
from xaae.latent_nav import item_results
from xaae.latent_nav.counterfactual_results import counterfactual_all
from xaae.latent_nav.directions import ranked_dimensions
from xaae.latent_nav.encoded_run import default_specs, describe_directions, encode_run, find_directions
from xaae.latent_nav.latent_maps import MAPS
from xaae.latent_nav.walk_results import between, walk_directions
from xaae.training.trained_run import open_trained_run


def navigate(
    run, specs=(), contrast="", away=(), against=(), pairs=(), curved=False, maps=(), films=False, counterfactuals=100
):
    """Fill the run folder with everything that walking its latent space shows; `navigate.json` comes last, and is
    returned.

    specs: directions by name, the first the main one; contrast: "cat:dog" or "rest:dog"; away: directions to keep away
    from; against: navigated runs of the same data whose order of items is compared; pairs: table rows to interpolate
    between, along the arc if curved; maps: names of MAPS; films: of every walk, not of the main one alone;
    counterfactuals: of how many held-out items. InputError before anything is written if these make no sense.
    """
    began = time.perf_counter()
    trained = open_trained_run(run)
    _check(trained, pairs, against, maps)
    with autocast_in(trained.config.precision), tqdm(total=7, desc="navigate", leave=False, disable=None) as bar:
        done = lambda what: (bar.set_description(what), bar.update())  # noqa: E731
        encoded = encode_run(trained, contrast)
        encoded.films, encoded.counterfactuals = films, counterfactuals
        maps = maps or trained.config.maps or MAPS
        find_directions(encoded, specs or default_specs(trained.classes), away)
        on_map, maps, futures = item_results.start_maps(encoded, maps)
        found = {
            "directions": describe_directions(encoded),
            "dimensions": ranked_dimensions(encoded.evidence(encoded.sides)),
        }
        done("walks")
        starts = trained.starts(trained.config.starts, generator(trained.config.seed, 3))
        found |= walk_directions(encoded, starts)
        between(encoded, pairs, curved)
        done("counterfactuals")
        spread = {row["meter"]: row["spread"] for row in found["naming"][encoded.main]["meters"]}
        found["counterfactual"] = counterfactual_all(encoded, starts, spread)
        done("impact")
        found["impact"] = item_results.impact_all(encoded)
        done("items")
        item_results.exemplars_all(encoded, starts)
        item_results.write_correlations(encoded)
        item_results.write_positions(encoded)
        found["agreement"] = item_results.agreement_with_runs(encoded, [Path(a) for a in against])
        done("health")
        found["health"] = item_results.health_of(encoded)
        done("maps")
        item_results.maps_all(encoded, on_map, maps, futures)
    found["options"] = {"directions": list(specs), "contrast": contrast, "away": list(away)}
    found["seconds"] = time.perf_counter() - began
    run_folder.write_json(trained.folder / "navigate.json", found)
    return found


def _check(trained, pairs, against, maps):
    """InputError for maps and rows that are not there, and for runs that were not navigated."""
    for name in maps:
        if name not in MAPS:
            raise InputError(f"There is no map {name!r}: choose from {', '.join(MAPS)}.")
    for row in (row for pair in pairs for row in pair):
        if not 0 <= row < len(trained.table):
            raise InputError(f"There is no item {row}: items.csv has the rows 0 to {len(trained.table) - 1}.")
    for other in against:
        if not (Path(other) / "positions.csv").is_file():
            raise InputError(f"{other} holds no positions.csv: run `python main.py navigate {other}` first.")
