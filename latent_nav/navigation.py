"""`navigate RUN`: codes, directions, decoded walks and what they change, counterfactuals, exemplars, maps, health."""

import time
from pathlib import Path

from tqdm.auto import tqdm

from xaae.experiment import run_folder
from xaae.experiment.command_settings import NavigationSettings
from xaae.experiment.device import autocast_in
from xaae.experiment.errors import InputError
from xaae.experiment.manifest import recording
from xaae.latent_nav import item_results
from xaae.latent_nav.counterfactual_results import counterfactual_all
from xaae.latent_nav.directions import ranked_dimensions
from xaae.latent_nav.encoded_run import default_specs, describe_directions, encode_run, find_directions
from xaae.latent_nav.health_run import health_of
from xaae.latent_nav.latent_maps import MAPS, USUAL_MAPS
from xaae.latent_nav.plots import drawing_of
from xaae.latent_nav.walk_results import between, walk_directions
from xaae.training.trained_run import open_trained_run

STEPS = ("walks", "counterfactuals", "impact", "items", "health", "maps")  # after the directions, for the bar


def navigate(run, asked=NavigationSettings(), command="", health=True):  # noqa: B008  (frozen)
    """Fill the run folder with everything that walking its latent space shows; returns what `navigate.json` holds.

    asked: see NavigationSettings. command: as it was typed, for the records. health: with the latent health, which
    `health_run.add_health` adds otherwise. `navigate.json` is written last.
    InputError before anything is written if what is asked makes no sense.
    """
    began = time.perf_counter()
    trained = open_trained_run(run, data_root=asked.data_root)
    _check(trained, asked)
    with autocast_in(trained.config.precision), tqdm(total=7, desc="navigate", leave=False, disable=None) as bar:
        steps = iter(STEPS)
        done = lambda: (bar.set_description(next(steps, "done")), bar.update())  # noqa: E731
        with recording(trained.folder):
            found = _navigate(trained, asked, health, done)
            found["options"] = {"directions": list(asked.specs), "contrast": asked.contrast, "away": list(asked.away)}
            found["options"] |= {"spacing": asked.spacing, "of": asked.of}
            found["options"]["command"] = command
            found["seconds"] = time.perf_counter() - began
            run_folder.write_json(trained.folder / "navigate.json", found)
    return found


def _navigate(trained, asked, health, done):
    """The sections of `navigate.json`; health: with that of the codes. done() is called after each step."""
    encoded = encode_run(trained, asked.contrast)
    encoded.films, encoded.counterfactuals, encoded.spacing = asked.films, asked.counterfactuals, asked.spacing
    encoded.of = asked.of or encoded.of
    has_head = encoded.model.head is not None
    usual = default_specs(encoded.sides, trained.model_names(), asked.of, has_head, trained.target)
    find_directions(encoded, asked.specs or usual, asked.away)
    on_map, maps, futures = item_results.start_maps(encoded, asked.maps or USUAL_MAPS)
    found = {"directions": describe_directions(encoded), "left_out": encoded.left_out}
    found["dimensions"] = ranked_dimensions(encoded.evidence(encoded.contrast))
    done()
    starts = encoded.starts(trained.config.starts)
    found |= walk_directions(encoded, starts)
    between(encoded, asked.pairs, asked.curved)
    done()
    spread = {row["meter"]: row["spread"] for row in found["naming"][encoded.main]["meters"]}
    found["counterfactual"] = counterfactual_all(encoded, starts, spread)
    done()
    found["impact"] = item_results.impact_all(encoded)
    done()
    item_results.exemplars_all(encoded, starts)
    item_results.write_correlations(encoded)
    item_results.write_positions(encoded)
    found["agreement"] = item_results.agreement_with_runs(encoded, [Path(other) for other in asked.against])
    done()
    found["health"] = health_of(trained) if health else None
    done()
    item_results.maps_all(encoded, on_map, maps, futures)
    done()
    return found


def _check(trained, asked):
    """InputError for maps, rows and navigated runs that are not there, and for kinds whose walks are not drawn."""
    drawing_of(trained.config)
    if not trained.factor.fits(trained.kind):
        raise InputError(
            f"This run checks for {trained.factor.noun}, which {trained.kind.plural} do not have: an earlier version"
            f" trained it; train it again with `{trained.config.command or 'python main.py train'}`."
        )
    for name in asked.maps:
        if name not in MAPS:
            raise InputError(f"There is no map {name!r}: choose from {', '.join(MAPS)}.")
    for row in (row for pair in asked.pairs for row in pair):
        if not 0 <= row < len(trained.table):
            raise InputError(f"There is no item {row}: items.csv has the rows 0 to {len(trained.table) - 1}.")
    for other in asked.against:
        if not (Path(other) / "positions.csv").is_file():
            raise InputError(f"{other} holds no positions.csv: run `python main.py navigate {other}` first.")
