"""Small volumes of two classes: bright ellipsoids, long from head to feet or from front to back."""

import numpy as np

RADII = {"tall": (0.7, 0.35, 0.35), "deep": (0.35, 0.7, 0.35)}  # of depth, height, width


def ellipsoids(n, side=10, seed=0):
    """(volumes (n, side, side, side) uint8, labels (n,)); the classes in turn."""
    rng = np.random.default_rng(seed)
    labels = np.array(list(RADII) * n)[:n]
    at = np.stack(np.meshgrid(*[(2 * np.arange(side) + 1) / side - 1] * 3, indexing="ij"))
    centres = rng.uniform(-0.15, 0.15, (n, 3, 1, 1, 1))
    radii = np.array([RADII[label] for label in labels])[..., None, None, None]
    far = np.sqrt((((at - centres) / radii) ** 2).sum(1))
    light = 0.2 + 0.6 / (1 + np.exp(6 * (far - 1))) + rng.normal(0, 0.01, far.shape)
    return np.round(255 * light.clip(0, 1)).astype(np.uint8), labels


def save_archive(path, n=24, side=10):
    """Write them as an archive in MedMNIST's keys without splits of its own; the path."""
    volumes, labels = ellipsoids(n, side)
    np.savez(path, train_images=volumes, train_labels=(labels == "deep").astype(int)[:, None])
    return path
