"""The options of the commands: typed, with their help; what is typed becomes plain values here."""

import tomllib
from pathlib import Path

import click

from xaae.experiment.settings import PRESETS


def _parse_range(ctx, param, texts):
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


def giving(*options):
    """A decorator that gives a command these options and arguments, the first one first in its help."""

    def give(command):
        for add in reversed(options):
            command = add(command)
        return command

    return give


POSITIVE = click.IntRange(min=1)
WEIGHT = click.FloatRange(min=0)
OPTIONS = [
    option("--preset", type=click.Choice(list(PRESETS)), default="default", help="Sizes and lengths that go together."),
    option("--dataset", default="auto", help="pets, synthpets, cifar10, medmnist:NAME, a folder or CSV, or auto."),
    option("--data-root", type=click.Path(), help="Where data are looked for and unpacked.  [fastai's data folder]"),
    option("--split", type=click.Choice(["random", "group"]), default="random", help="Hold out items or whole groups."),
    option("--items", type=click.IntRange(min=20), help="Use at most so many items."),
    option("--arm", type=click.Choice(["biased", "normal", "irrelevant"]), help="biased: the class decides the "
           "value; irrelevant: any class has any value; normal: nothing planted.  [biased; normal for your own data]"),
    option("--factor", type=click.Choice(["rotation", "brightness", "tint", "blur", "tag"]), default="rotation",
           help="What the bias plants."),
    option("--range", "ranges", multiple=True, callback=_parse_range, help="CLASS=LOW:HIGH in the factor's unit, "
           "degrees for rotation; repeatable. [equal slices of its whole range: cat=0:90 dog=90:180]"),
    option("--strength", type=click.FloatRange(0, 1, min_open=True), default=1.0,
           help="Shrinks the factor's whole range about its middle to this share."),
    option("--contamination", type=click.FloatRange(0, 1), default=1.0,
           help="Share of the items that obey the bias; the others have any value."),
    option("--label-noise", type=click.FloatRange(0, 0.5), default=0.0,
           help="Share of training items that get another class's label, so that content tells less than the factor."),
    option("--fill", type=click.Choice(["zeros", "reflect", "circle"]), default="zeros",
           help="Corners that a rotation leaves empty."),
    option("--one-hot", is_flag=True, help="Targets one-hot, loss by binary cross entropy, as in the thesis."),
    option("--size", type=int, help="Pixels a side, 16 to 512.  [64; 32 for MedMNIST and CIFAR-10]"),
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


with_settings = giving(*OPTIONS)


RUN = click.argument("run", type=click.Path())


def _parse_pair(ctx, param, texts):
    """`12:873` -> (12, 873), for every --between given."""
    try:
        return [(int(a), int(b)) for a, _, b in (text.partition(":") for text in texts)]
    except ValueError:
        raise click.BadParameter("write it as ROW:ROW, two rows of items.csv, such as 12:873.") from None


def names(ctx, param, text):
    """`lda,pca:2` -> ["lda", "pca:2"]."""
    found = [name.strip() for name in (text or "").split(",") if name.strip()]
    if text is not None and not found:
        raise click.BadParameter("write one name or more, with commas.")
    return found


def _parse_rows(ctx, param, text):
    """`12,873` -> [12, 873]."""
    try:
        return [int(row) for row in names(ctx, param, text)]
    except ValueError:
        raise click.BadParameter("write it as row numbers of items.csv with commas, such as 12,873.") from None


SAMPLE = Path(__file__).parents[1] / "explain" / "methods.toml"  # every method with its parameters


def _read_config(ctx, param, path):
    """Tables of methods in a TOML file, as dicts; its other settings count as typed, where the same is not typed too.

    `[[method]]` tables hold a name each, `[methods.NAME]` tables have it, or a label, in their head.
    """
    if path is None:
        return []
    file = SAMPLE if path == "all" else Path(path)
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise click.BadParameter(f"{file} cannot be read as TOML ({e}): correct it.") from None
    tables = content.pop("method", [])
    headed = content.pop("methods") if isinstance(content.get("methods"), dict) else {}
    if not isinstance(tables, list):
        raise click.BadParameter(f"{file}: write [[method]], with two brackets, once for each method.")
    ctx.default_map = _as_typed(ctx, file, content)
    return tables + [{"name": n, "label": n} | table if isinstance(table, dict) else n for n, table in headed.items()]


def _as_typed(ctx, file, content):
    """Settings of a file as they would be typed: {name: text}, a list of texts where an option may be repeated."""
    known = {p.name: p for p in ctx.command.params if p.name not in ("what", "config", "listing", "describe")}
    found = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        if name not in known:
            raise click.BadParameter(f"{file}: there is no setting {key!r}: choose from {', '.join(known)}.")
        many = [str(v) for v in value] if isinstance(value, list) else [str(value)]
        found[name] = many if known[name].multiple else ",".join(many)
    return found


EXPLAINING = [
    option("--methods", callback=names, help="Methods with commas, kinds of method, quick, or all.  [quick]"),
    option("--config", metavar="FILE.toml|all", is_eager=True, callback=_read_config,
           help="Methods with their parameters, and settings; all is the sample that has every method."),
    option("--list", "listing", is_flag=True, help="Name every method in a line: kind, needs, paper."),
    option("--describe", metavar="NAME", help="Tell all about one method, its parameters too."),
    option("--items", type=POSITIVE, default=6, help="Explain so many held-out items of RUN."),
    option("--rows", callback=_parse_rows, help="Explain these rows of items.csv instead, with commas."),
    option("--run", type=click.Path(), help="Whose models explain IMAGE.  [the newest finished run in runs/]"),
    option("--model", type=click.Choice(["aae", "baseline", "both"]), help="Whose answers.  [both, where two are]"),
    option("--network", metavar="FILE.py:FUNCTION", help="Your own nn.Module, x -> logits, made by a function."),
    option("--size", type=POSITIVE, help="Pixels a side of IMAGE for --network without --run.  [224]"),
    option("--target", default="predicted", help="The class explained: predicted, true, a name or a number."),
    option("--along", metavar="DIRECTION", help="Explain the place along a direction that navigate found; AAE only."),
    option("--background", type=click.IntRange(min=0), default=20, help="Held-out items that stand for the usual."),
    option("--workers", type=POSITIVE, help="Methods at once.  [one for each processor core]"),
    option("--time-limit", type=click.FloatRange(min=0, min_open=True), default=120.0, help="Seconds for each method."),
    option("--memory-limit", type=click.FloatRange(min=0, min_open=True), help="GiB for each method.  [what is free]"),
    option("--precision", type=click.Choice(["bf16", "fp32"]), help="Of methods that allow bf16.  [the run's]"),
    option("--seed", type=click.IntRange(min=0), help="Seed of all that is drawn.  [the run's]"),
    option("--plugin", multiple=True, type=click.Path(), help="FILE.py, methods of your own; repeatable."),
    option("--out", type=click.Path(), help="Where to write.  [RUN/explanations]"),
]  # fmt: skip


with_explaining = giving(click.argument("what", required=False, metavar="RUN|IMAGE", type=click.Path()), *EXPLAINING)


NAVIGATING = [
    RUN,
    option("--directions", "specs", callback=names, help="Which directions, with commas, the first the main one: lda, "
           "logistic, head, means, severity, gradient, pca:N, dims:N, lda@rest:CLASS, target:COLUMN.  [all kinds]"),
    option("--contrast", default="", help="FROM:TO, two classes, or rest:CLASS.  [the first class to the last]"),
    option("--away", callback=names, help="Keep all directions away from these: pca:1, target:COLUMN, ..."),
    option("--between", "pairs", multiple=True, callback=_parse_pair, help="ROW:ROW, interpolate between two items."),
    option("--spherical", "curved", is_flag=True, help="Interpolate along the arc, not the straight line."),
    option("--against", multiple=True, type=click.Path(),
           help="A navigated run of the same data: same order of items?"),
    option("--maps", callback=names, help="Which maps, with commas: pca, tsne, umap.  [all; smoke without umap]"),
    option("--films", is_flag=True, help="GIF and MP4 of every walk, not of the main one alone."),
    option("--counterfactuals", type=POSITIVE, default=100, help="Counterfactuals of at most so many held-out items."),
]  # fmt: skip


with_navigating = giving(*NAVIGATING)


TUTORIAL = [
    option("--dataset", default="auto", help="cifar10, synthpets, any other that `run` takes, or auto: CIFAR-10 if "
           "there is a copy, else synthpets."),
    option("--data-root", type=click.Path(), help="Where data are looked for and unpacked.  [fastai's data folder]"),
    option("--picture", type=click.Path(), help="A picture file of your own to explain too."),
    option("--explainer", type=click.Choice(["deep", "gradient"]), default="deep", help="SHAP's DeepExplainer, or its "
           "GradientExplainer, which works on any differentiable network."),
    option("--epochs", type=POSITIVE, help="Epochs.  [enough for 25,000 pictures, 10 or more]"),
    option("--items", type=click.IntRange(min=20), help="Use at most so many items."),
    option("--background", type=click.IntRange(min=2), default=100, help="Held-out items that stand for the usual."),
    option("--explained", type=POSITIVE, default=4, help="Explain so many held-out items, the classes in turn."),
    option("--seed", type=click.IntRange(min=0), default=0, help="Seed of everything that is drawn."),
    option("--out", type=click.Path(), help="Where to write.  [runs/NNNN-tutorial-dataset-seed]"),
    option("--overwrite", is_flag=True, help="Replace what a run or a tutorial left in --out."),
]  # fmt: skip


with_tutorial = giving(*TUTORIAL)


PREDICTING = [
    RUN,
    click.argument("path", type=click.Path()),
    option("--model", type=click.Choice(["aae", "baseline"]), default="aae",
           help="Which model answers; every run has the AAE."),
    option("--samples", type=click.IntRange(min=2), default=30, help="Passes with dropout, for the uncertainty."),
    option("--dropout", type=click.FloatRange(0, 1, True, True), help="Rate injected into the AAE, which has none.  "
           "[0.1]"),
    option("--out", type=click.Path(),
           help="The CSV; only a file that predict made is replaced.  [RUN/predictions.csv]"),
    option("--batch-size", type=POSITIVE, help="Pictures read and classified at once.  [as in training]"),
]  # fmt: skip


with_predicting = giving(*PREDICTING)


EVALUATING = [
    RUN,
    option("--model", type=click.Choice(["aae", "baseline", "both"]), default="both", help="Which model is judged."),
    option("--split", type=click.Choice(["valid", "test"]), default="valid", help="On which held-out items."),
    option("--planted/--upright", default=True, help="With the table's planted values, or with nothing planted."),
    option("--value", type=float, help="Plant this value of the factor in every item instead."),
]  # fmt: skip


with_evaluating = giving(*EVALUATING)


RATING = [
    RUN,
    option("--methods", callback=names, help="Methods with commas, kinds of method, or quick.  [quick]"),
    option("--model", type=click.Choice(["aae", "baseline"]), default="aae", help="Whose explanations."),
    option("--items", type=click.IntRange(min=2), default=8, help="On so many held-out items."),
    option("--target", default="predicted", help="The class explained: predicted, a name or a number."),
    option("--background", type=click.IntRange(min=2), default=20, help="Held-out items that stand for the usual."),
]  # fmt: skip


with_rating = giving(*RATING)
