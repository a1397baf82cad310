"""The pictures of walks: a strip of each and the films, drawn from what the walks left in the run folder."""

from pathlib import Path

import numpy as np

from xaae.experiment import run_folder
from xaae.experiment.figure_style import save_png
from xaae.experiment.manifest import recording
from xaae.experiment.settings import RunConfig
from xaae.latent_nav import films, plots

STRIP_STARTS = 6
TOLD = Path("walks") / "strips.json"  # in a run folder: what is written on the strip of each walk


def strips_of_walks(folder):
    """Draw `walks/NAME.png` of every walk of a run folder, and `.gif` and `.mp4` of those that are to have films.

    They need nothing but files of that folder, so that another process can draw them while this one goes on.
    """
    folder = Path(folder)
    drawing = plots.drawing_of(RunConfig.from_dict(run_folder.read_json(folder / "config.json")))
    with recording(folder):
        for name, told in run_folder.read_json(folder / TOLD).items():
            path = folder / "walks" / name
            found = run_folder.read_arrays(path.with_name(f"{name}.npz"))
            save_png(_strip(drawing, found, told), path.with_name(f"{name}.png"), dpi=110)
            if told["film"]:
                films.keep(path, drawing.film(found["frames"][: films.STARTS]))


def _strip(drawing, found, told):
    """The strip of one walk: its first starts, every few frames of them, and last how much each place changes."""
    frames, starts = found["frames"][:STRIP_STARTS], found["start_image"][:STRIP_STARTS]
    shown = np.concatenate([drawing.items(starts)[:, None], drawing.walk(frames[:, :: drawing.every])], 1)
    heat = drawing.heat(found["heat.integral"][:STRIP_STARTS], frames[:, frames.shape[1] // 2])
    return plots.strip(shown, told["captions"], told["title"], heat, drawing.note)
