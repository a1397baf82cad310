"""Two-dimensional maps of the codes, for looking at; no walk is made in them, and only PCA has a straight line.

`python -m xaae.latent_nav.latent_maps NAME SEED` reads codes from standard input and writes a map to standard
output, both as .npy: UMAP takes 15 seconds to load, which another process can do meanwhile.
"""

import io
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE


def pca(z, seed=0):
    """The first two principal axes of codes z (M, D): (M, 2)."""
    return _plane(z).transform(z)


def _plane(z):
    """The PCA of codes z (M, D) with two axes."""
    return PCA(2, svd_solver="full").fit(z)


def tsne(z, seed=0):
    """t-SNE of codes z (M, D): (M, 2) (van der Maaten and Hinton 2008)."""
    perplexity = min(30.0, (len(z) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(z)


def _umap(z, seed=0):
    """UMAP of codes z (M, D): (M, 2) (McInnes et al. 2018)."""
    from umap import UMAP  # slow to import

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a seed means one thread
        return UMAP(n_neighbors=min(15, len(z) - 1), random_state=seed, n_jobs=1).fit_transform(z)


def side(z, direction):
    """Codes z (M, D) from the side of a Direction: across, their place along it in standard deviations; upwards, the
    axis of largest variance at right angles to it: (M, 2)."""
    along = (z - z.mean(0)) @ direction.vector
    rest = z - z.mean(0) - np.outer(along, direction.vector)
    return np.stack([along / direction.scale, PCA(1, svd_solver="full").fit_transform(rest)[:, 0]], 1)


MAPS = {"pca": pca, "tsne": tsne, "umap": _umap}
USUAL_MAPS = ("pca", "tsne")  # those drawn unasked: UMAP takes 11 s, mostly to compile itself


def arrow(z, direction, reach=2.0):
    """(2, 2): a Direction through the middle of codes z (M, D), `reach` standard deviations each way, in their PCA."""
    ends = z.mean(0) + np.outer([-reach, reach], direction.scale * direction.vector)
    return _plane(z).transform(ends)


def elsewhere(name, z, seed=0):
    """The map `name` of codes z (M, D), made in a process of its own: a future of (M, 2), RuntimeError if it fails."""
    command = [sys.executable, "-m", "xaae.latent_nav.latent_maps", name, str(seed)]
    pool = ThreadPoolExecutor(1)
    future = pool.submit(_asked, command, z)
    pool.shutdown(wait=False)
    return future


def _asked(command, z):
    """What a process answers when it is sent an array."""
    ready = io.BytesIO()
    np.save(ready, z)
    answer = subprocess.run(command, input=ready.getvalue(), capture_output=True)
    if answer.returncode:
        raise RuntimeError(answer.stderr.decode(errors="replace").strip().rpartition("\n")[2])
    return np.load(io.BytesIO(answer.stdout))


if __name__ == "__main__":
    codes = np.load(io.BytesIO(sys.stdin.buffer.read()))
    result = io.BytesIO()
    np.save(result, MAPS[sys.argv[1]](codes, int(sys.argv[2])))
    sys.stdout.buffer.write(result.getvalue())
