"""`train`: both models of a dataset with its planted bias, into a run folder."""

import os
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from click.core import ParameterSource

from xaae.cli.door import announce_loading, refuse_other_options, stoppable, timed, typed_command
from xaae.cli.early_checks import check_asked, check_dataset, check_own, check_run, planned_out
from xaae.cli.option_types import (
    ABOVE_ZERO,
    DATA_ROOT,
    NOISE_SHARE,
    PATH,
    POSITIVE,
    READING_OPTIONS,
    SEED,
    SPLIT_OPTIONS,
    TARGET_OPTIONS,
    TWO_OR_MORE,
    ZERO_OR_MORE,
    FiniteRange,
    option,
    parse_names,
    with_options,
)
from xaae.experiment.errors import InputError
from xaae.experiment.machine import command_line
from xaae.experiment.process_group import joined_processes, process_count, process_rank, refuse_lone_process
from xaae.experiment.second_process import SecondProcess
from xaae.experiment.settings import CODES, PRESETS, USUAL_FACTOR, USUAL_FACTORS, RunSettings, drawn_by
from xaae.experiment.vocabulary import ARMS, AUGMENTATIONS, BALANCES, FILLS, FIRST_STEPS, LOSSES, OPTIMISERS
from xaae.experiment.whole_file import disk_refusal
from xaae.factors.registry import FACTORS
from xaae.sources.drawing_ahead import draw_ahead

WEIGHT = FiniteRange(min=0)
TOLD = "dataset arm factor ranges input_size code epochs baseline_epochs seed precision device".split()  # at a start
# settings that are not printed
HIDDEN = "versions command dataset_note data_warnings class_ranges factor_about factor_asked".split()


def _parse_ranges(ctx, param, texts):
    """`cat=0:90` -> {"cat": (0.0, 90.0)}, for every --range typed; None if there is none."""
    ranges = {}
    for text in texts:
        label, _, bounds = text.rpartition("=")
        try:
            low, high = (float(b) for b in bounds.split(":"))
        except ValueError:
            raise click.BadParameter(f"{text!r} is no range: write it as CLASS=LOW:HIGH, such as cat=0:90.") from None
        if low > high:
            raise click.BadParameter(f"{text!r} ends below where it begins: give LOW <= HIGH.")
        ranges[label] = (low, high)
    return ranges or None


training_options = with_options(
    option("--preset", type=click.Choice(list(PRESETS)), default="default", help="Sizes and lengths that go together."),
    option("--dataset", default="auto", callback=check_dataset, help="pets, synthpets, synthbeats, cifar10, "
           "medmnist:NAME, a folder or CSV, or auto."),
    DATA_ROOT,
    *SPLIT_OPTIONS,
    *TARGET_OPTIONS,
    option("--balance", type=click.Choice(list(BALANCES)), default="none", help="How classes or labels with few items "
           "are made up for; loss: each weighs the same in the loss."),
    option("--items", type=click.IntRange(min=20), help="Use at most so many items."),
    *READING_OPTIONS,
    option("--arm", type=click.Choice(ARMS), help="biased: the class decides the value; irrelevant: any class has any "
           "value; normal: nothing planted.  [biased; normal for your own data and with --target]"),
    option("--factor", type=click.Choice(list(FACTORS)), help="What the bias plants.  "
           f"[{USUAL_FACTOR}; of signals {USUAL_FACTORS['signal']}]"),
    option("--range", "ranges", multiple=True, callback=_parse_ranges, help="CLASS=LOW:HIGH in the factor's unit, "
           "degrees for rotation; repeatable. [equal slices of its whole range: cat=0:90 dog=90:180]"),
    option("--strength", type=FiniteRange(0, 1, min_open=True), default=1.0,
           help="Shrinks the factor's whole range about its middle to this share."),
    option("--contamination", type=FiniteRange(0, 1), default=1.0,
           help="Share of the items that obey the bias; the others have any value."),
    option("--label-noise", type=NOISE_SHARE, default=0.0, help="Share of training items that get another class's "
           "label, so that the content tells the class less surely than the factor does."),
    option("--fill", type=click.Choice(FILLS), default="zeros", help="What fills the corners that a rotation leaves "
           "empty."),
    option("--one-hot", is_flag=True, help="One-hot targets and binary cross entropy, as in the thesis."),
    option("--size", type=int, help="Pixels a side, 16 to 512; of volumes voxels, 8 to 128.  [64; 32 for MedMNIST and "
           "CIFAR-10, 28 for volumes]"),
    option("--channels", type=click.IntRange(1, 4), help="Channels of a picture: 1, 3 or 4.  [as the files have it]"),
    option("--code", type=click.Choice(list(CODES)), help="factored: coordinates of factors beside the content, which "
           "the decoder plants last; plain: the thesis's code, content alone.  [by preset: factored]"),
    option("--coordinates", callback=parse_names, help="Of a factored code: names of factors, with commas, in the "
           "order of planting.  [the planted one]"),
    option("--encoding-dims", type=POSITIVE, help="Dimensions of the code's content.  [factored 64, plain 16]"),
    option("--step-channels", type=POSITIVE, help="Channels of the first layer.  [by preset]"),
    option("--first-step", type=click.IntRange(*FIRST_STEPS), help="By how "
           "much the AAE's first layer shrinks each axis.  [2; of pictures above 64 pixels 4: three times as fast]"),
    option("--noise", type=WEIGHT, help="Noise on the code before decoding, in training.  [by code: factored 0.1, "
           "plain 0.3]"),
    option("--prior", type=click.Choice(["normal", "class"]), default="normal", help="The distribution that codes are "
           "drawn towards: one normal distribution, or one for each class."),
    option("--epochs", type=POSITIVE, help="Epochs of the AAE, of each stage.  [by preset; the default's: "
           "enough for 34,000 pictures, 19,000 drawn pets, a quarter more above 64 pixels; of a plain code 40,000]"),
    option("--baseline-epochs", type=ZERO_OR_MORE, help="Epochs of the ResNet34; 0 leaves it out.  [by preset; the "
           "default's: enough for 7,500 pictures; without ImageNet weights 5,000 drawn pets]"),
    option("--pretrained/--no-pretrained", default=True, help="ImageNet weights for the ResNet34 if they can be had."),
    option("--batch-size", type=TWO_OR_MORE, help="Items a batch.  [by preset]"),
    option("--lr", type=ABOVE_ZERO, help="Highest learning rate of the AAE.  [factored 0.007, plain 0.003]"),
    option("--optimiser", type=click.Choice(OPTIMISERS), help="Of the AAE; muon: convolutions move all directions "
           "of their weights alike, which draws sharper in less time.  [factored muon, plain adam]"),
    option("--reconstruction-weight", type=WEIGHT, help="Weight of the reconstruction loss.  [by code]"),
    option("--reconstruction-loss", type=click.Choice(LOSSES), help="What the reconstruction is compared with its item "
           "by; pyramid: L1 in four bands of detail; ms-ssim: structure and L1, of pictures.  [by code: factored "
           "pyramid, plain mse]"),
    option("--corrupt-noise", type=WEIGHT, default=0.0, help="Noise on what the model sees in training, a standard "
           "deviation where values are 0 to 1; it has to give back the item without it."),
    option("--corrupt-masked", type=FiniteRange(0, 1, max_open=True), default=0.0, help="Share of the places that "
           "is hidden from the model in training."),
    option("--augment", callback=parse_names, help=f"What is done to training items at random, before anything is "
           f"planted: {', '.join(AUGMENTATIONS)}, with commas.  [nothing]"),
    option("--adversarial-weight", type=WEIGHT, default=0.2, help="Weight of the adversarial loss."),
    option("--classification-weight", type=WEIGHT, help="Weight of the classification loss.  [by code]"),
    option("--starts", type=TWO_OR_MORE, help="Held-out items that walks start from.  [by preset]"),
    option("--random-directions", type=POSITIVE, help="Random directions that a walk is compared with.  [by preset]"),
    SEED,
    option("--precision", type=click.Choice(["auto", "bf16", "fp32"]), default="auto", help="Arithmetic of training; "
           "auto is bf16 where the hardware has it."),
    option("--compile/--no-compile", "compiled", default=False, help="Train by what torch.compile makes of the "
           "networks, which takes most of a minute each; on CPUs nothing was quicker afterwards."),
    option("--out", type=PATH, help="The run folder.  [runs/NNNN-dataset-arm-seed]"),
    option("--overwrite", is_flag=True, help="Replace the run in --out."),
    option("--dry-run", is_flag=True, help="Check data and settings, print them, and stop."),
    option("--resume", type=PATH, callback=check_run, metavar="RUN", help="Go on with a training that was stopped, "
           "with its own settings and from its last whole epoch: what it learns is what it would have learned."),
    option("--beside/--one-by-one", "beside", default=None, help="Do in a second process, beside the first, what waits "
           "for nothing that the first does: train the ResNet34 beside the AAE.  [beside where there are two cores "
           "and no GPU]"),
)  # fmt: skip


@click.command("train")
@training_options
def train_command(**given):
    """Train the AAE and the ResNet34 on a dataset with its planted bias."""
    with SecondProcess() as second:
        folder = train_as_told(given, second)
    if folder:
        click.echo(f"Trained: {folder}. Next: {command_line(['navigate', folder])}")


def train_as_told(given, second, begin=None):
    """Check the options, print the settings, train. Returns the run folder, or None after a dry run.

    second: a SecondProcess, which shares the work where that pays or --beside asks for it. begin(folder): gives it what
    it does then, returns the Work that trains; by default `train_side` alone. InputError before anything is written if
    data or settings make no sense.
    """
    asked = given.pop("beside")
    refuse_lone_process()
    if process_count() > 1:
        return _train_in_processes(given)
    if run := given.pop("resume"):
        return _resume(Path(run), second, asked, begin)
    return _train_anew(given, second, asked, begin)


def _train_in_processes(given):
    """Train together with other processes. Returns the run folder in the first, which writes it, None in the others.

    What the others write is thrown away. InputError for what one process has to do alone.
    """
    if given.pop("resume"):
        raise InputError("A training is resumed by one process: python main.py train --resume RUN.")
    if given["preset"] == "thesis":
        raise InputError("The preset thesis looks for its learning rates, which one process has to do alone.")
    with joined_processes():
        if not process_rank():
            return _train_anew(given)
        with TemporaryDirectory(prefix="xaae-process-") as folder, redirect_stdout(StringIO()):
            _train_anew(given | {"out": Path(folder) / "run", "overwrite": False})
    return None


def _train_anew(given, second=None, beside=False, begin=None):
    """Check the options, print the settings, train. Returns the run folder, or None after a dry run.

    second, beside, begin: see `_second_training`.
    """
    out, overwrite, dry_run = (given.pop(name) for name in ("out", "overwrite", "dry_run"))
    asked = settings_of(given)
    check_asked(asked)
    folder = planned_out(out, overwrite)
    check_own(asked)
    announce_loading()
    if process_count() == 1:
        draw_ahead(asked.dataset, asked.data_root, *drawn_by(asked))
    from xaae.experiment import run_folder
    from xaae.training.fitting import train_run
    from xaae.training.preparation import prepare_training, resolve, run_name
    from xaae.training.second_training import may_pay, train_side

    settings, note = resolve(asked)
    folder = folder or run_folder.plan_folder(None, run_name(settings), overwrite)
    if second and not dry_run and (may_pay(settings) if beside is None else beside):
        second.begin(train_side.__module__)  # it loads its libraries while the items are prepared
    prepared = prepare_training(settings, note)
    folder = folder if out or dry_run else run_folder.claim_folder(folder)
    _print_settings(prepared.config.as_dict(), folder, whole=dry_run)
    if dry_run:
        return None
    with (
        _going_on_later(folder, typed_command(out=folder, overwrite=True)),
        timed(f"Training into {folder}"),
        run_folder.new_run(folder, overwrite, click.echo),
    ):
        train_run(prepared, folder, beside=_second_training(prepared, folder, second, beside, begin))
    return folder


def _second_training(prepared, folder, second, asked, begin):
    """What starts a second process for a part of the training; None if all is done in this one.

    second: a SecondProcess. asked: shall it be used? None where it pays. begin: see `train_as_told`.
    """
    from xaae.training.second_training import pays, train_side

    shared = pays(prepared) if asked is None else asked
    return (lambda: begin(folder) if begin else second.start(train_side, folder)) if shared else None


def _resume(folder, second, beside, begin):
    """Go on with the training of a folder that was stopped. Returns the folder. InputError if there is no such one.

    second, beside, begin: see `_second_training`.
    """
    refuse_other_options("resume", "beside")
    announce_loading()
    from xaae.experiment import run_folder
    from xaae.training.fitting import train_run
    from xaae.training.preparation import prepare_stopped
    from xaae.training.progress import kept_in_words

    with (
        _going_on_later(folder, _resuming(folder)),
        timed(f"Training on in {folder}"),
        run_folder.resumed_run(folder),
    ):
        prepared, kept = prepare_stopped(folder)
        click.echo(f"Kept: {kept_in_words(folder)}." if kept else "Nothing was learned yet: the training begins anew.")
        train_run(prepared, folder, kept=kept, beside=_second_training(prepared, folder, second, beside, begin))
    return folder


def _resuming(folder):
    """The command that goes on with the training of a folder."""
    return command_line([click.get_current_context().info_name, "--resume", folder])


@contextmanager
def _going_on_later(folder, again):
    """Ctrl-C and a disk that refuses end the training with how far it is kept and the command that goes on.

    again: the command where nothing is kept.
    """
    from xaae.training.progress import kept_in_words

    try:
        yield
    except KeyboardInterrupt:
        kept = kept_in_words(folder)
        learned = f"what {folder} has learned is kept ({kept}), this goes on with it"
        words = learned if kept else f"{folder} is unfinished and has learned nothing yet, this starts it anew"
        with stoppable(words, _resuming(folder) if kept else again):
            raise
    except (InputError, OSError, RuntimeError) as e:
        sentence = str(e) if isinstance(e, InputError) else disk_refusal(e)
        if not (sentence and (kept := kept_in_words(folder))):
            raise
        raise InputError(f"{sentence} What was learned is kept ({kept}): go on by `{_resuming(folder)}`.") from e


def settings_of(given):
    """The RunSettings of the preset and of the options that were typed."""
    for name in ("data_root", "split_file"):
        given[name] = given.get(name) and os.path.abspath(given[name])  # it has to be found again from any folder
    return RunSettings.from_options(**given, command=typed_command())


def _print_settings(settings, folder, whole):
    """The settings of a run, all of them if `whole`; else those of TOLD and those that were typed."""
    if not whole:
        typed = click.get_current_context().get_parameter_source
        names = [n for n in settings if n in TOLD or (n not in HIDDEN and typed(n) is ParameterSource.COMMANDLINE)]
        told = ", ".join(f"{name} {settings[name]}" for name in names if settings[name] is not None)
        click.echo(f"Settings: {told}; all of them: {Path(folder) / 'config.json'}")
        return
    lines = [f"  {name}: {value}" for name, value in settings.items() if name not in HIDDEN]
    click.echo("\n".join(["Settings:", *lines, f"  out: {folder}"]))
