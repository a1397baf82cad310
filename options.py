"""The options of the commands: typed, with their help; what is typed becomes plain values here."""

import click

from settings import PRESETS


def parse_range(ctx, param, texts):
    """`cat=0:90` -> {"cat": (0.0, 90.0)}, for every --range given."""
    found = {}
    for text in texts:
        label, _, bounds = text.rpartition("=")
        try:
            low, high = (float(b) for b in bounds.split(":"))
        except ValueError:
            raise click.BadParameter(f"{text!r} is no range: write it as CLASS=LOW:HIGH, such as cat=0:90.") from None
        found[label] = (low, high)
    return found or None


def option(*names, **attributes):
    """A click option that shows its default in the help where it has one."""
    return click.option(*names, show_default=attributes.get("default") is not None, **attributes)


POSITIVE = click.IntRange(min=1)
WEIGHT = click.FloatRange(min=0)
OPTIONS = [
    option("--preset", type=click.Choice(list(PRESETS)), default="default", help="Sizes and lengths that go together."),
    option("--dataset", default="auto", help="pets, synthpets, medmnist:NAME, the path of a folder or CSV, or auto."),
    option("--data-root", type=click.Path(), help="Where data are looked for and unpacked.  [fastai's data folder]"),
    option("--split", type=click.Choice(["random", "group"]), default="random", help="Hold out items or whole groups."),
    option("--items", type=click.IntRange(min=20), help="Use at most so many items."),
    option("--arm", type=click.Choice(["biased", "normal", "irrelevant"]), help="biased: the class decides the "
           "value; irrelevant: any class has any value; normal: nothing planted.  [biased; normal for your own data]"),
    option("--factor", type=click.Choice(["rotation", "brightness", "tint", "blur"]), default="rotation",
           help="What the bias plants."),
    option("--range", "ranges", multiple=True, callback=parse_range, help="CLASS=LOW:HIGH in the factor's unit, "
           "degrees for rotation; repeatable. [equal slices of its whole range: cat=0:90 dog=90:180]"),
    option("--fill", type=click.Choice(["zeros", "reflect", "circle"]), default="zeros",
           help="Corners that a rotation leaves empty."),
    option("--one-hot", is_flag=True, help="Targets one-hot, loss by binary cross entropy, as in the thesis."),
    option("--size", type=int, help="Pixels a side, 16 to 512.  [64; 32 for MedMNIST]"),
    option("--channels", type=click.IntRange(1, 4), help="Channels of a picture: 1, 3 or 4.  [as the files have it]"),
    option("--encoding-dims", type=POSITIVE, help="Dimensions of the code.  [by preset]"),
    option("--step-channels", type=POSITIVE, help="Channels of the first layer.  [by preset]"),
    option("--noise", type=WEIGHT, default=0.3, help="Noise on the code before decoding, in training."),
    option("--prior", type=click.Choice(["normal", "class"]), default="normal", help="What codes are drawn towards."),
    option("--epochs", type=POSITIVE, help="Epochs of the AAE, of each stage.  [enough for 40,000 pictures]"),
    option("--baseline-epochs", type=click.IntRange(min=0), help="Epochs of the ResNet34; 0 leaves it out."),
    option("--pretrained/--no-pretrained", default=True, help="ImageNet weights for the ResNet34 if they can be had."),
    option("--batch-size", type=click.IntRange(min=2), help="Items a batch.  [by preset]"),
    option("--lr", type=click.FloatRange(min=0, min_open=True), default=3e-3, help="Highest learning rate of the AAE."),
    option("--reconstruction-weight", type=WEIGHT, default=30.0, help="Weight of the reconstruction loss."),
    option("--adversarial-weight", type=WEIGHT, default=0.2, help="Weight of the adversarial loss."),
    option("--classification-weight", type=WEIGHT, default=0.1, help="Weight of the classification loss."),
    option("--starts", type=click.IntRange(min=2), help="Held-out items that walks start from.  [by preset]"),
    option("--random-directions", type=click.IntRange(min=1), help="Random walks for the null.  [by preset]"),
    option("--seed", type=click.IntRange(min=0), default=0, help="Seed of everything that is drawn."),
    option("--precision", type=click.Choice(["auto", "bf16", "fp32"]), default="auto", help="bf16 where it is fast."),
    option("--out", type=click.Path(), help="The run folder.  [runs/NNNN-dataset-arm-seed]"),
    option("--overwrite", is_flag=True, help="Replace the run in --out."),
    option("--dry-run", is_flag=True, help="Check data and settings, print them, and stop."),
]  # fmt: skip


def with_settings(command):
    """Give a command all options of a run."""
    for add in reversed(OPTIONS):
        command = add(command)
    return command


RUN = click.argument("run", type=click.Path())


def parse_pair(ctx, param, texts):
    """`12:873` -> (12, 873), for every --between given."""
    try:
        return [(int(a), int(b)) for a, _, b in (text.partition(":") for text in texts)]
    except ValueError:
        raise click.BadParameter("write it as ROW:ROW, two rows of items.csv, such as 12:873.") from None


def names(ctx, param, text):
    """`lda,pca:2` -> ["lda", "pca:2"]."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]
