"""Walks as films: all starts side by side; GIF, there and back again, by Pillow, MP4 (VP9) by OpenCV."""

import cv2
import numpy as np
from PIL import Image

from xaae.latent_nav.plots import three_channels

SIDE, COLUMNS, STARTS, PER_SECOND, GAP = 128, 4, 8, 10, 2


def sheets(frames, starts=STARTS):
    """Frames (S, T, H, W, C) uint8 as pictures that hold the first starts in rows of four: (T, H', W', 3)."""
    big = enlarge(three_channels(frames[:starts]))
    big = np.pad(
        big, [(0, -len(big) % min(COLUMNS, len(big))), (0, 0), (0, GAP), (0, GAP), (0, 0)], constant_values=255
    )
    rows = big.reshape(-1, min(COLUMNS, len(big)), *big.shape[1:])  # (rows, columns, T, H, W, 3)
    whole = rows.transpose(2, 0, 3, 1, 4, 5)
    return whole.reshape(whole.shape[0], whole.shape[1] * whole.shape[2], -1, 3)


def enlarge(frames):
    """Small frames (S, T, H, W, 3) grown by a whole number to about 128 pixels in height, so that they can be seen."""
    times = max(1, round(SIDE / frames.shape[2]))
    return frames.repeat(times, 2).repeat(times, 3)


def write_gif(path, pictures):
    """Write pictures (T, H, W, 3) uint8 as an endless GIF, whole or not at all."""
    first, *rest = [Image.fromarray(p).quantize(method=Image.Quantize.FASTOCTREE) for p in pictures]
    part = path.with_suffix(".part")
    first.save(part, "GIF", save_all=True, append_images=rest, duration=1000 // PER_SECOND, loop=0)
    part.replace(path)


def write_mp4(path, pictures):
    """Write pictures (T, H, W, 3) uint8 as an MP4 film, whole or not at all. OSError where OpenCV has no encoder."""
    even = pictures[:, : pictures.shape[1] // 2 * 2, : pictures.shape[2] // 2 * 2]
    part = path.with_name(f"part-{path.name}")
    film = cv2.VideoWriter(str(part), cv2.VideoWriter_fourcc(*"vp09"), PER_SECOND, even.shape[2:0:-1])
    if not film.isOpened():
        raise OSError("this build of OpenCV cannot write VP9 films")
    for picture in even:
        film.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    film.release()
    part.replace(path)


def keep(path, frames):
    """Write a walk's frames (S, T, H, W, C) uint8 beside `path` as `.gif`, and as `.mp4` where OpenCV can."""
    pictures = sheets(frames)
    write_gif(path.with_name(f"{path.name}.gif"), np.concatenate([pictures, pictures[-2:0:-1]]))
    try:
        write_mp4(path.with_name(f"{path.name}.mp4"), pictures)
    except OSError:
        pass  # the GIF shows the same
