"""What the report shows of explanations: small pictures of items and maps, and what each method is."""

import numpy as np

from xaae.experiment import run_folder
from xaae.explain.figures import heatmaps
from xaae.explain.method import METHODS


def write_tiles(path, items, texts, found, titles):
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
