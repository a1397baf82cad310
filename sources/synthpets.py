"""Synthpets: cats and dogs drawn by a seeded generator, every factor of every picture known.

Each picture is a pet sitting upright on a dark ground under a bright sky, lit from above, so that the way up can be
read from it. Species differ in shape alone; coats, backgrounds, size and pose are drawn from the same distributions.
Points and outlines are complex numbers x + yj in units of the picture's side, y down.
"""

import json
import os
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from xaae.experiment.errors import InputError
from xaae.experiment.manifest import locked

VERSION = 1
SMALLEST, LARGEST = 16, 512
PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY]  # quick
CONTENTS = {"images", "table.csv", "settings.json"}
BREEDS = pd.DataFrame(  # one coat per row, shared by a breed of cats and a breed of dogs
    [
        ("ginger", "redbone", "stripes", 0.07, 0.20, 0.58, 0.45, 0.55),
        ("tabby", "brindle", "stripes", 0.10, 0.09, 0.50, 0.55, 0.45),
        ("siamese", "pug", "points", 0.11, 0.09, 0.76, 0.65, 0.35),
        ("bombay", "labrador", "plain", 0.66, 0.02, 0.36, 0.50, 0.60),
        ("cream", "golden", "plain", 0.11, 0.13, 0.72, 0.40, 0.60),
        ("tuxedo", "collie", "bib", 0.64, 0.02, 0.38, 0.55, 0.50),
        ("calico", "beagle", "patches", 0.09, 0.04, 0.82, 0.60, 0.40),
        ("blue", "weimaraner", "plain", 0.62, 0.04, 0.56, 0.35, 0.50),
    ],
    columns=["cat", "dog", "pattern", "coat_hue", "coat_saturation", "coat_lightness", "ear_size", "muzzle_size"],
)
# fmt: off
RANGES = {  # lowest and highest value of every uniform factor; the breed's own value is added where it has one
    "coat_hue": (-0.02, 0.02), "coat_saturation": (-0.02, 0.03), "coat_lightness": (-0.05, 0.05),
    "pattern_contrast": (0.12, 0.26), "ear_size": (-0.3, 0.3), "ear_spread": (-1.0, 1.0), "muzzle_size": (-0.3, 0.3),
    "eye_hue": (0.10, 0.55), "eye_size": (0.85, 1.15), "mouth": (0.0, 1.0), "tail": (-1.0, 1.0),
    "pose": (-1.0, 1.0), "head_tilt_deg": (-8.0, 8.0), "scale": (0.85, 1.15), "x": (-0.07, 0.07), "y": (-0.04, 0.04),
    "background_hue": (0.0, 1.0), "background_lightness": (0.70, 0.82), "horizon": (0.54, 0.68), "light": (0.10, 0.28),
    "ground_hue": (0.0, 0.5), "ground_lightness": (0.32, 0.44), "light_x": (0.15, 0.85), "noise": (0.008, 0.018),
}
# fmt: on
LUMA = np.array([0.299, 0.587, 0.114])
RING = np.exp(2j * np.pi * np.arange(32) / 32)
POWERS = (np.arange(6) / 6) ** np.arange(4)[:, None]
CATMULL_ROM = np.array([[0, -1, 2, -1], [2, 0, -5, 3], [0, 1, 4, -3], [0, 0, -1, 1]]) / 2 @ POWERS


def _check(n, size):
    """Raise ValueError unless `n` pictures of `size` pixels can be drawn."""
    if n < 2:
        raise ValueError(f"n={n} pictures cannot hold both a cat and a dog: ask for 2 or more.")
    if not SMALLEST <= size <= LARGEST:
        raise ValueError(f"size={size} pixels cannot be drawn: choose a size from {SMALLEST} to {LARGEST}.")


def draw_factors(n, seed=0):
    """Draw the table alone: `n` rows with label, group, pattern and every factor of `RANGES`.

    Row i depends on (seed, i) only. Lengths are in units of the side, hues in turns; lightness, saturation and
    noise in [0, 1]; ear, muzzle, mouth, tail and pose are relative. Raises ValueError for n < 2.
    """
    _check(n, SMALLEST)
    low, high = np.array(list(RANGES.values())).T
    share = np.stack([np.random.default_rng([seed, i]).random(len(RANGES)) for i in range(n)])
    table = pd.DataFrame(low + (high - low) * share, columns=list(RANGES))
    breed = BREEDS.iloc[np.arange(n) // 2 % len(BREEDS)].reset_index(drop=True)
    table = table.add(breed[table.columns.intersection(BREEDS.columns)], fill_value=0)[list(RANGES)]
    label = np.array(["cat", "dog"])[np.arange(n) % 2]
    names = {"label": label, "group": breed["cat"].where(label == "cat", breed["dog"]), "pattern": breed["pattern"]}
    return pd.concat([pd.DataFrame(names), table], axis=1).assign(seed=seed, item=np.arange(n))


def draw_pictures(n, size=64, seed=0):
    """Draw `n` pictures: uint8 RGB (n, size, size, 3), and their table of factors with one row per picture.

    The same seed shows the same scenes at every size, and the first pictures do not depend on `n`.
    Raises ValueError for n < 2 or a size outside 16..512.
    """
    _check(n, size)
    table = draw_factors(n, seed)
    return np.stack([draw_picture(row, size) for row in table.to_dict("records")]), table


def synthpets(root, items=None, size=64, seed=0, **_):
    """The embedded default as a dataset's table, its pictures drawn once and kept under `root`.

    InputError where they cannot be kept there.
    """
    n, size = items or 3000, max(size, 32)
    folder = Path(root) / f"synthpets-{n}-{size}-{seed}"
    try:
        table = build_synthpets(folder, n, size, seed)
    except (OSError, ValueError) as e:
        raise InputError(f"The drawn pictures cannot be kept in {folder} ({e}): choose another --data-root.") from e
    return table.assign(path=[folder / path for path in table.path])


def build_synthpets(folder, n=3000, size=64, seed=0):
    """Write `images/*.png`, `table.csv` and `settings.json` to `folder`; return the table with column `path`.

    Paths are relative to `folder`. A folder that already holds these settings is read, not drawn again; synthpets of
    other settings are replaced. Raises ValueError as `draw_pictures` does, and if `folder` holds anything else.
    """
    _check(n, size)
    settings = {"dataset": "synthpets", "version": VERSION, "n": n, "size": size, "seed": seed}
    folder = Path(folder).resolve()
    if not _held(folder, settings):
        with locked(folder.with_name(f".{folder.name}.lock")):
            if not _held(folder, settings):  # drawn meanwhile by another process
                _draw_into(folder, settings)
    return pd.read_csv(folder / "table.csv")


def _draw_into(folder, settings):
    """Draw everything beside `folder`, then give it the folder's name."""
    with TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as stage:
        _write(Path(stage) / "new", settings)
        if folder.exists():
            os.replace(folder, Path(stage) / "old")
        os.replace(Path(stage) / "new", folder)


def _held(folder, settings):
    """Whether `folder` holds the pictures of `settings`; ValueError if writing there would replace anything else."""
    names = {name for name in os.listdir(folder) if name[0] != "."} if folder.exists() else set()
    saved = json.loads((folder / "settings.json").read_text()) if CONTENTS <= names else {}
    if saved != settings and names and (names != CONTENTS or saved.get("dataset") != "synthpets"):
        raise ValueError(f"{folder} holds something other than synthpets: name a new or empty folder.")
    return saved == settings


def _write(folder, settings):
    """Draw and write everything that `build` promises into the new `folder`."""
    (folder / "images").mkdir(parents=True)
    table = draw_factors(settings["n"], settings["seed"])
    table.insert(0, "path", [f"images/{i:05d}.png" for i in range(len(table))])
    rows = table.to_dict("records")
    for row in tqdm(rows, "drawing", leave=False, disable=None):
        _write_picture(folder / row["path"], draw_picture(row, settings["size"]))
    table.to_csv(folder / "table.csv", index=False)
    (folder / "settings.json").write_text(json.dumps(settings, indent=2))


def _write_picture(path, pixels):
    """Write RGB pixels (H, W, 3) as a PNG. OSError if the disk refuses, of which OpenCV alone would say nothing."""
    path.write_bytes(cv2.imencode(".png", pixels[..., ::-1], PNG)[1].tobytes())


def draw_picture(row, size):
    """Draw one row (a mapping) of the table: uint8 RGB (size, size, 3)."""
    canvas = _backdrop(row, size * max(2, -(-128 // size)))
    _pet(canvas, row)
    image = cv2.resize(cv2.merge(list(canvas)), (size, size), interpolation=cv2.INTER_AREA)
    grain = np.random.default_rng([row["seed"], row["item"], size]).standard_normal(image.shape, np.float32)
    return np.clip(255 * (image + np.float32(row["noise"]) * grain) + 0.5, 0, 255).astype(np.uint8)


def _tint(hue, saturation, lightness):
    """RGB (3, ...) of the given hue in turns whose luma is exactly `lightness` (...), a number or an array."""
    wheel = np.cos(2 * np.pi * (hue - np.arange(3) / 3))
    return np.add.outer(saturation * (wheel - wheel @ LUMA), lightness).astype(np.float32)


def _backdrop(row, side):
    """A bright sky over a darker ground, both lighter towards the top, and the sun's glow: float32 (3, side, side)."""
    y = (np.arange(side) + 0.5) / side
    above = row["light"] * (row["horizon"] - y)
    column = _tint(row["background_hue"], 0.09, row["background_lightness"] + 0.5 * above)
    ground = _tint(row["ground_hue"], 0.09, row["ground_lightness"] + 0.7 * above)
    column += np.clip((y - row["horizon"]) * side + 0.5, 0, 1) * (ground - column)
    canvas = np.repeat(column[..., None], side, axis=2)
    _stain(canvas, row["light_x"] + 0.08j, 0.22 + 0.22j, row["light"])
    return canvas


def _stain(canvas, centre, radii, strength):
    """Brighten (or, strength < 0, darken) the canvas in place by a soft oval spot."""
    place = ((np.arange(canvas.shape[-1]) + 0.5) / canvas.shape[-1]).astype(np.float32)
    u, v = (place - centre.real) / radii.real, (place - centre.imag) / radii.imag
    canvas *= 1 + np.outer(strength * np.exp(-v * v), np.exp(-u * u))


def _oval(centre, radii):
    """Outline of an ellipse, complex (32,)."""
    return centre + radii.real * RING.real + 1j * radii.imag * RING.imag


def _curve(*points):
    """Smooth closed outline through complex points (Catmull-Rom spline); a point named twice is a corner."""
    around = np.add.outer(np.arange(len(points)), np.arange(-1, 3)) % len(points)
    return (np.array(points)[around] @ CATMULL_ROM).ravel()


def _mirrored(*points):
    """Smooth closed outline, symmetric about x = 0, from its right half."""
    return _curve(*points, *[-point.conjugate() for point in reversed(points) if point.real])


def _both(outline):
    """The outline and its mirror image: complex (2, P). They must not overlap."""
    return np.stack([outline, -outline.conj()])


def _span(low, length, side):
    """First and last pixel of a shape along one axis, from sixteenths, and where they lie in it, -1..1 float32 (L,)."""
    start, stop = max(low // 16 - 1, 0), min((low + length) // 16 + 3, side)
    return start, stop, np.arange(start, stop, dtype=np.float32) * (32 / length) - (2 * low / length + 1)


def _fill(canvas, light, origin, turn, outlines, colour, alpha=1.0):
    """Paint inside complex outlines (P,) or (K, P) in RGB, lighter at the top and darker at the foot and sides."""
    side = canvas.shape[-1]
    points = (16 * side * turn) * np.atleast_2d(outlines) + (16 * side * origin - 8 - 8j)
    corners = np.rint(points.view(float)).astype(np.int32).reshape(*points.shape, 2)
    x, y, width, height = cv2.boundingRect(corners.reshape(-1, 2))
    (left, right, u), (top, foot, v) = _span(x, width, side), _span(y, height, side)
    mask = np.zeros((foot - top, right - left), np.uint8)
    cv2.fillPoly(mask, list(corners - (16 * left, 16 * top)), 255, cv2.LINE_AA, 4)
    shade = np.add.outer(1 - light * v, -0.3 * light * u**2)
    crop = canvas[:, top:foot, left:right]
    crop += mask * np.float32(alpha / 255) * (colour[:, None, None] * shade - crop)


def _palette(row):
    """RGB colours (3,) by name of what is painted."""
    hue, saturation, lightness = row["coat_hue"], row["coat_saturation"], row["coat_lightness"]
    marked, lift = MARKED[row["pattern"]], MARK_LIFT[row["pattern"]] * row["pattern_contrast"]
    colours = {
        "coat": _tint(hue, saturation, lightness),
        "mark": _tint(hue, saturation + 0.04 * (lift < 0), lightness + lift),
        "deep": _tint(hue, saturation, 0.8 * lightness),
        "pale": _tint(hue, 0.6 * saturation, lightness + 0.55 * (0.93 - lightness)),
        "iris": _tint(row["eye_hue"], 0.16, 0.62),
    }
    return colours | {part: colours["mark" if part in marked else usual] for part, usual in USUAL.items()} | FIXED


def _pet(canvas, row):
    """Paint the pet of one row and its shadow on the ground onto the canvas, in place."""
    origin, turn = 0.5 + row["x"] + (0.54 + row["y"]) * 1j, row["scale"] * np.exp(1j * np.deg2rad(row["head_tilt_deg"]))
    neck, colours = origin + row["scale"] * (0.03 * row["pose"] - 0.14j), _palette(row)
    _stain(canvas, origin + 0.36j * row["scale"], row["scale"] * (0.32 + 0.07j), -0.5)
    _body(partial(_fill, canvas, row["light"], origin, row["scale"]), row, colours)
    head = {"cat": _cat_head, "dog": _dog_head}[row["label"]]
    head(partial(_fill, canvas, row["light"], neck, turn), row, colours)


def _body(paint, row, colours):
    """A tail and a sitting body with the pattern's marks, chest, legs and paws."""
    root = 0.12 + 0.34j
    paint(root + (TAILS[row["label"]] - root) * np.exp(0.12j * row["tail"]), colours["ear"])
    paint(TRUNK, colours["coat"])
    paint(MARKS[row["pattern"]][0], colours["mark"])
    paint(_oval(0.11j, 0.085 + 0.11j), colours["chest"], 0.7)
    paint(LEGS, colours["coat"])
    paint(_both(_oval(0.066 + 0.352j, 0.06 + 0.034j)), colours["paw"])
    paint(_oval(0.03j, 0.12 + 0.04j), colours["deep"], 0.6)


def _eyes(paint, centre, radii, iris, pupil):
    """A pair of eyes with a dark rim and a glint from above."""
    paint(_both(_oval(centre, radii * 1.2)), FIXED["dark"])
    paint(
        np.concatenate([_both(_oval(centre, radii)), _both(_oval(centre, pupil))]), iris
    )  # each pupil is a hole in it
    paint(_both(_oval(centre, 0.011 + 0.011j)) + 0.011 - 0.017j, FIXED["white"])


def _cat_head(paint, row, colours):
    """Pointed ears, a wide round face, slit pupils, a small muzzle and whiskers."""
    tip, wide = 0.145 - (0.20 + 0.07 * row["ear_size"]) * 1j, 0.85 + 0.3 * row["muzzle_size"]
    ear = _curve(0.035 - 0.12j, 0.09 - 0.19j, tip - 0.006, tip + 0.006, 0.185 - 0.11j, 0.185 - 0.01j) - EAR_ROOT
    ear = ear * np.exp(0.15j * row["ear_spread"])
    paint(_both(EAR_ROOT + ear), colours["ear"])
    paint(_both(EAR_ROOT + 0.58 * ear), colours["tongue"], 0.6)
    paint(_mirrored(-0.145j, 0.11 - 0.125j, 0.18 - 0.03j, 0.195 + 0.05j, 0.12 + 0.125j, 0.145j), colours["coat"])
    paint(MARKS[row["pattern"]][1], colours["mark"])
    paint(_mirrored(0.05j, 0.045 + 0.052j, 0.078 + 0.085j, 0.04 + 0.122j, 0.13j) * wide, colours["muzzle"])
    _eyes(paint, 0.088 - 0.005j, (0.046 + 0.043j) * row["eye_size"], colours["iris"], 0.013 + 0.040j)
    paint(_mirrored(0.05j, 0.024 + 0.052j, 0.072j), colours["tongue"])
    paint(_both(SMILE * (0.7 + 0.3 * row["mouth"]) + 0.072j), colours["dark"], 0.7)
    paint(WHISKERS, colours["white"], 0.75)


def _dog_head(paint, row, colours):
    """Drop ears, a longer face, a big muzzle with a big nose, and the tongue out."""
    tip, tongue = 0.21 + 0.03j + 0.1j * row["ear_size"], 0.16j + 0.06j * row["mouth"]
    wide = 0.85 + 0.3 * row["muzzle_size"]
    paint(_mirrored(-0.155j, 0.10 - 0.135j, 0.15 - 0.03j, 0.145 + 0.08j, 0.09 + 0.15j, 0.168j), colours["coat"])
    paint(MARKS[row["pattern"]][1], colours["mark"])
    paint(_mirrored(0.0j, 0.05 + 0.02j, 0.1 + 0.09j, 0.06 + 0.14j, 0.145j) * wide + 0.01j, colours["muzzle"])
    paint(_mirrored(0.115j, 0.03 + 0.115j, 0.028 - 0.02j + tongue, tongue), colours["tongue"])
    _eyes(paint, 0.075 - 0.03j, (0.030 + 0.032j) * row["eye_size"], 0.5 * colours["iris"], 0.016 + 0.018j)
    paint(_mirrored(0.03j, 0.035 + 0.035j, 0.04 + 0.055j, 0.082j), colours["dark"])
    paint(_both(SMILE * 1.3 + 0.08j), colours["dark"], 0.8)
    ear = _curve(0.06 - 0.145j, 0.14 - 0.15j, 0.215 - 0.04j, tip + 0.015, tip - 0.025 + 0.02j, 0.135 - 0.05j) - EAR_ROOT
    paint(_both(EAR_ROOT + ear * np.exp(-0.12j * (1 + row["ear_spread"]))), colours["ear"])


TAILS = {
    "cat": _curve(0.12 + 0.36j, 0.26 + 0.32j, 0.30 + 0.15j, 0.29 - 0.02j, 0.345 + 0.0j, 0.36 + 0.17j, 0.31 + 0.36j),
    "dog": _curve(0.10 + 0.34j, 0.21 + 0.25j, 0.31 + 0.08j, 0.35 + 0.08j, 0.29 + 0.28j, 0.2 + 0.36j),
}
TRUNK = _mirrored(-0.06j, 0.10 + 0.0j, 0.15 + 0.12j, 0.20 + 0.27j, 0.17 + 0.365j, 0.375j)
LEGS = _both(0.062 + _mirrored(0.14j, 0.042 + 0.18j, 0.045 + 0.32j, 0.03 + 0.37j, 0.372j))
FIXED = {"tongue": _tint(0.97, 0.17, 0.62), "dark": _tint(0.7, 0.01, 0.11), "white": _tint(0.1, 0.0, 0.97)}
USUAL = {"ear": "deep", "muzzle": "pale", "chest": "pale", "paw": "pale"}
MARKED = {"plain": (), "stripes": (), "points": ("ear", "muzzle", "paw"), "bib": ("chest", "paw"), "patches": ("ear",)}
MARK_LIFT = {"plain": -1, "stripes": -1, "points": -1.4, "bib": 2.2, "patches": -1.6}
EAR_ROOT = 0.115 - 0.085j
SMILE = np.array([0j, 0.006 + 0.012j, 0.026 + 0.024j, 0.05 + 0.014j, 0.053 + 0.02j, 0.028 + 0.035j, 0.022j])
WHISKERS = np.concatenate(
    [_both(np.array([0, 0.008j, 0.16 + 2 * y]) + 0.075 + 0.08j + y) for y in (-0.012j, 0, 0.012j)]
)
STRIPE = _curve(-0.012 + 0.0j, 0.012 + 0.0j, 0.004 + 0.065j, -0.004 + 0.065j)
SIDES = np.concatenate([_both(_curve(0.10, 0.155 - 0.015j, 0.16 + 0.012j) + y) for y in (0.15j, 0.2j)])
MARKS = {  # on the body, then on the head
    "plain": [_oval(0.11j, 0.06 + 0.08j), _oval(0.08j, 0.02 + 0.02j)],  # hidden by chest and muzzle
    "stripes": [SIDES, np.stack([STRIPE + x - (0.135 - abs(x) / 4) * 1j for x in (-0.045, 0, 0.045)])],
    "points": [_oval(0.12j, 0.08 + 0.1j), _oval(0.06j, 0.10 + 0.075j)],
    "bib": [_oval(0.11j, 0.095 + 0.12j), _mirrored(-0.12j, 0.02 - 0.03j, 0.07 + 0.08j, 0.12j)],
    "patches": [_oval(0.10 + 0.22j, 0.06 + 0.07j), _oval(0.085 - 0.03j, 0.062 + 0.075j)],
}
