"""`navigate RUN`: codes, directions, decoded walks and what they change, counterfactuals, exemplars, maps, health."""

import time
from pathlib import Path

from tqdm.auto import tqdm

import runs
from commands import items
from commands.counterfactuals import counterfactual_all
from commands.scene import fast, generator, open_scene
from commands.tour import about, begin, default_specs, find_directions
from commands.walking import between, walk_all
from errors import InputError
from latent_nav.directions import ranked_dimensions
from latent_nav.maps import MAPS


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
    scene = open_scene(run)
    check(scene, pairs, against, maps)
    with fast(scene.config), tqdm(total=7, desc="navigate", leave=False, disable=None) as bar:
        done = lambda what: (bar.set_description(what), bar.update())  # noqa: E731
        tour = begin(scene, contrast)
        tour.films, tour.counterfactuals = films, counterfactuals
        maps = maps or scene.config.get("maps") or MAPS
        find_directions(tour, specs or default_specs(scene.classes), away)
        on_map, maps, futures = items.start_maps(tour, maps)
        found = {"directions": about(tour), "dimensions": ranked_dimensions(tour.evidence(tour.sides))}
        done("walks")
        starts = scene.starts(scene.config["starts"], generator(scene.config, 3))
        found |= walk_all(tour, starts)
        between(tour, pairs, curved)
        done("counterfactuals")
        spread = {row["meter"]: row["spread"] for row in found["naming"][tour.main]["meters"]}
        found["counterfactual"] = counterfactual_all(tour, starts, spread)
        done("impact")
        found["impact"] = items.impact_all(tour)
        done("items")
        items.exemplars_all(tour, starts)
        items.correlations(tour)
        items.positions(tour)
        found["agreement"] = items.agreement(tour, [Path(a) for a in against])
        done("health")
        found["health"] = items.health_of(tour)
        done("maps")
        items.maps_all(tour, on_map, maps, futures)
    found["options"] = {"directions": list(specs), "contrast": contrast, "away": list(away)}
    found["seconds"] = time.perf_counter() - began
    runs.write_json(scene.folder / "navigate.json", found)
    return found


def check(scene, pairs, against, maps):
    """InputError for maps and rows that are not there, and for runs that were not navigated."""
    for name in maps:
        if name not in MAPS:
            raise InputError(f"There is no map {name!r}: choose from {', '.join(MAPS)}.")
    for row in (row for pair in pairs for row in pair):
        if not 0 <= row < len(scene.table):
            raise InputError(f"There is no item {row}: items.csv has the rows 0 to {len(scene.table) - 1}.")
    for other in against:
        if not (Path(other) / "positions.csv").is_file():
            raise InputError(f"{other} holds no positions.csv: run `python main.py navigate {other}` first.")
