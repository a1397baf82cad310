"""The curves of a training, from its history."""

from matplotlib.figure import Figure

from xaae.latent_nav.plots import PALETTE

NAMES = ("loss", "accuracy", "precision", "recall")
PARTS = {"training": "train", "validation": "valid"}


def history_figure(history, names=NAMES):
    """A Figure of a history with the columns epoch, train_NAME and valid_NAME: a panel for each name."""
    figure = Figure(figsize=(2.6 * len(names), 2.3), layout="constrained")
    for ax, name in zip(figure.subplots(1, len(names)), names, strict=True):
        for (label, part), colour in zip(PARTS.items(), PALETTE, strict=False):
            ax.plot(history.epoch, history[f"{part}_{name}"], ".-", color=colour, label=label)
        ax.set(title=name, xlabel="epoch")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(frameon=False)
    return figure
