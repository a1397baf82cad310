"""The training loop at its smallest: 32 pictures of 16 pixels to train on and 8 to judge by, in batches of 8."""

from helpers.pictures import save_pictures
from xaae import callbacks, data
from xaae import model as models
from xaae.factors.bias import make_bias
from xaae.sources import picture_files
from xaae.training.learner import aae_learner

SIDES = ["left", "right"]


def small_loaders(folder, **options):
    """DataLoaders of two classes of small pictures that are written to `folder`."""
    table = data.load_table(str(save_pictures(folder / "pictures")))
    table, pixels, _ = picture_files.open_pictures(table, 16, 3, quiet=True)
    planted = make_bias(SIDES)
    return data.dataloaders(data.plant(table, planted), pixels, planted, SIDES, bs=8, **options)


def small_learner(dls, folder, precision="fp32", **game):
    """The Learner of a small AAE; `game` are the settings of its adversarial callback."""
    adversarial = callbacks.Adversarial(**game) if game else None
    return aae_learner(dls, models.AAE(16, 3, 4, 4), folder, adversarial, precision=precision)


def quietly(learn, work, *args, **kwargs):
    """`work(...)` without bars and tables."""
    with learn.no_bar(), learn.no_logging():
        return work(*args, **kwargs)


def weights_of(*parts):
    """A copy of every weight of these modules."""
    return [p.detach().clone() for part in parts for p in part.parameters()]
