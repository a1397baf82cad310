"""From prepared data to a trained run: both models fitted, judged on held-out items and saved into the run folder."""

import math
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch
from fastai.torch_core import default_device

from xaae import data
from xaae import model as models
from xaae.callbacks import (
    DISTANCES,
    AAELoss,
    BFloat16,
    Compiled,
    Corrupt,
    KeepAnswers,
    KeepPairs,
    Perceptual,
    callbacks_of_several,
    place_among_processes,
)
from xaae.experiment import run_folder
from xaae.experiment.amounts import counted
from xaae.experiment.class_balance import accuracy_in_words, class_balance
from xaae.experiment.device import batches, device_of, exact, lay_out, places_of
from xaae.experiment.errors import InputError
from xaae.experiment.settings import USUAL_OPTIMISER, VERSIONS, RunConfig, usual_loss
from xaae.experiment.target_words import labels_in_words, severity_in_words
from xaae.experiment.tasks import target_of
from xaae.experiment.text_tables import write_texts
from xaae.experiment.vocabulary import BASELINES, FIRST_STEPS, MODELS, SPLITS, WEIGHTS
from xaae.factors.coordinates import Coordinate, Moves
from xaae.training import factored_code, learner, thesis
from xaae.training.balance import loss_weights
from xaae.training.feature_network import FeatureNetwork
from xaae.training.muon import MAKERS
from xaae.training.progress import Progress
from xaae.training.reconstruction_judge import JUDGES, judge_reconstructions, new_judge, train_judge
from xaae.training.target_scores import LABEL_SCORES, SEVERITY_SCORES, label_scores, severity_scores

OTHER_DRAWS = 1_000_003  # by which the seed of a process's own draws is larger than that of the process before it
JUDGE = "the judge's training"
BALANCE = ("balanced_accuracy", "majority_share", "majority_class", "constant_answer")


class Diverged(InputError):
    """A training whose model answers no numbers any more."""


def train_run(prepared, folder, quiet=False, judged=True, kept=None, beside=None):
    """Fill a run folder: config.json, skipped.csv, items.csv, weights, histories and, last, train.json.

    prepared: as `preparation.prepare_training` gives it. quiet: without progress bars.
    judged: ask a judge whether the reconstructions can be recognised, see `judge_reconstructions`.
    kept: what `progress.read_progress` found in the folder of a training that was stopped, which goes on from there.
    beside(): starts `second_training.train_side` in a second process, gives the Work; None to do all in this one.
    """
    folder, config = Path(folder), prepared.config
    if not kept:
        _write_tables(prepared, folder)
    progress, name = Progress(folder, prepared, kept), BASELINES[config.kind]
    parts = side_parts(prepared, folder, progress, judged, quiet)
    work = beside() if beside and set(parts) - set(progress.done) else None
    with work or nullcontext():
        aae = progress.do("AAE", lambda: _train_aae(prepared, folder, quiet, progress))
        if work:
            try:
                work.end()
            except Diverged:
                progress.end()  # to go on with it would lead there again
                raise
            progress.take_over()
    done = {part: progress.do(part, do) for part, do in parts.items()}
    judge = progress.do("judge", lambda: _judged(folder, prepared, done[JUDGE])) if JUDGE in done else {}
    numbers = {"aae": aae | judge, "baseline": done.get(name)}
    numbers |= {"items": _counts(prepared), "seconds": {"total": progress.seconds()}}
    run_folder.write_json(folder / "train.json", numbers)
    progress.end()


def side_parts(prepared, folder, progress, judged, quiet):
    """{name: what does it, for `progress.do`} of the parts of a training that need nothing of the AAE."""
    config, parts = prepared.config, {}
    if judged and config.kind in JUDGES:
        parts[JUDGE] = lambda: train_judge(prepared).state_dict()
    if config.baseline_epochs:
        parts[BASELINES[config.kind]] = lambda: _train_baseline(prepared, folder, quiet, progress)
    return parts


def _write_tables(prepared, folder):
    """What is decided before training; items.csv last, since with it a training that is stopped can begin again."""
    run_folder.write_json(folder / "config.json", prepared.config.as_dict())
    if len(prepared.skipped):
        write_texts(prepared.skipped, folder / "skipped.csv")
    write_texts(prepared.table, folder / "items.csv")


def _judged(folder, prepared, weights):
    """What a judge with these weights says of the reconstructions of the AAE that was saved; printed in a line."""
    aae = models.load(folder / WEIGHTS["aae"]).to(default_device())
    judge = new_judge(prepared.config)
    judge.load_state_dict(weights)
    found = judge_reconstructions(aae, judge, prepared)
    share, accuracy = found["recon_agreement"], found["recon_judge_accuracy"]
    print(f"Reconstructions: a classifier that never saw one says the same of {share:.1%} as of the items"
          f" themselves, where it is right in {accuracy:.1%}.")  # fmt: skip
    return found


def run_loaders(prepared, in_pairs=False):
    """The DataLoaders of prepared data. in_pairs: items come in two versions if the code is a factored one."""
    config, planted = prepared.config, prepared.planted
    rank, count = place_among_processes()
    options = {"seed": config.seed + OTHER_DRAWS * rank, "target": target_of(config)}
    options["augmentations"] = config.augment
    batch_size = config.batch_size
    if in_pairs and config.code != "plain":
        coordinates = [Coordinate(name, centre, rate=planted.rate) for name, centre in config.centres.items()]
        options["moves"] = Moves(coordinates, planted.factor, planted.whole(), options["seed"])
        batch_size = max(2, batch_size // 2)
    share = int((prepared.table.split == "train").sum()) // count  # of the items that each process trains on
    if count > 1 and share < 2:
        raise InputError(f"{count} processes have fewer than 2 items each to train on: take fewer, or more items.")
    asked = list(config.classes), max(2, min(batch_size // count, share))
    dls = data.dataloaders(prepared.table, prepared.items, planted, *asked, **options)
    if count > 1:
        dls.train.take_share(rank, count, config.seed)
    return dls


def _compiled(config):
    """The callback of a training by a compiled network; none where that was not asked for."""
    return [Compiled()] if config.compiled else []


def _counts(prepared):
    """How many items each split has, and how many were left out."""
    split = prepared.table.split.value_counts()
    return {name: int(split.get(name, 0)) for name in SPLITS} | {"skipped": len(prepared.skipped)}


def make_aae(config: RunConfig):
    """(the AAE that a config asks for, its stages, its adversarial game, None for the usual one, its loss, more
    callbacks). InputError for settings that make no sense."""
    shape = (config.input_size, config.input_channels, config.encoding_dims, config.step_channels)
    target, distance = target_of(config), DISTANCES[config.reconstruction_loss or usual_loss(config)]
    corrupted = config.corrupt_noise or config.corrupt_masked
    corrupt = [Corrupt(config.corrupt_noise, config.corrupt_masked)] if corrupted else []
    shared = {"classes": target.outputs, "prior": config.prior}
    if config.architecture == "thesis":
        aae = thesis.ThesisAAE(*shape, **shared)
        return aae, thesis.thesis_stages(config.epochs), thesis.thesis_game(), AAELoss(distance=distance), corrupt
    first = config.first_step or FIRST_STEPS[0]
    shared |= {"noise": config.noise, "kind": config.kind, "task": config.task, "first_step": first}
    weights = (config.reconstruction_weight, config.adversarial_weight, config.classification_weight)
    stages = learner.default_stages(config.epochs, config.lr, *weights)
    if config.code == "plain":
        return models.AAE(*shape, **shared), stages, None, AAELoss(distance=distance, task=config.task), corrupt
    shared |= {"fill": config.fill, "rate": config.rate, "quartered": config.quartered}
    aae = factored_code.FactoredAAE(*shape, coordinates=config.centres, **shared)
    loss = factored_code.FactoredLoss(aae.coordinates, aae.dims, task=config.task, distance=distance)
    features = FeatureNetwork(config.kind, config.input_channels, target.outputs, first // FIRST_STEPS[0])
    return aae, stages, None, loss, [Perceptual(features), *corrupt]


def _layout_in_words(model, precision):
    """In which order a model is trained in this precision has its weights in memory; it is laid out so from now on."""
    laid = lay_out(model) if precision == "bf16" else model
    return "channels last" if any(not weight.is_contiguous() for weight in laid.parameters()) else "channels first"


def _train_aae(prepared, folder, quiet, progress):
    """Train and save the AAE; its numbers for `train.json`."""
    config, dls = prepared.config, run_loaders(prepared, in_pairs=True)
    aae, stages, game, loss, more = make_aae(config)
    weights, epochs = models.count_parameters(aae), sum(stage.epochs for stage in stages)
    steps, threads = config.optimiser or USUAL_OPTIMISER, counted(torch.get_num_threads(), "threads")
    processes = place_among_processes()[1]
    threads = threads if processes == 1 else f"{processes} processes of {threads}"
    computed = f"{config.precision}, {_layout_in_words(aae, config.precision)}, {threads}, {steps} (Adam's steps fused)"
    computed += ", compiled" if config.compiled else ", not compiled"
    print(f"AAE: {weights:,} weights, {counted(epochs, 'epochs')} at most; {computed}")
    learn = learner.aae_learner(
        dls, aae, folder, game, loss, config.precision, [*more, *callbacks_of_several(), *_compiled(config)]
    )
    learn.opt_func = MAKERS[steps]
    learn.loss_func.weights = _balance_of(prepared)
    with silence(learn, quiet):
        history = learner.fit_aae(learn, stages, progress)
    seconds = progress.part_seconds()
    if config.code != "plain":
        aae.keep_within(aae.coordinate_limits(_training_codes(aae, prepared)))
    last = _judge(learn, MODELS["aae"], target_of(config), progress)
    models.save(aae, folder / WEIGHTS["aae"])
    return _numbers_of(last) | {
        "recon_mse": last["reconstruction"],
        "parameters": weights,
        "epochs": len(history),
        "seconds": seconds,
        "processes": processes,
        "images_per_second": len(history) * VERSIONS[config.code] * len(dls.train_ds) / seconds,
    }


def _training_codes(aae, prepared):
    """Codes (N, D) of the training items as they are planted in the table."""
    rows, codes = prepared.table[prepared.table.split == "train"], []
    aae.eval()
    with torch.inference_mode(), exact():
        for part in (rows.iloc[part] for part in batches(len(rows), places=places_of(aae))):
            x = data.render_items(prepared.items, part.index, part.value, prepared.planted, device_of(aae))
            codes.append(aae.encode(x.float()).cpu())
    return torch.cat(codes)


def _balance_of(prepared):
    """What each class or label counts for in the loss, (K,); None where all count the same."""
    config = prepared.config
    return loss_weights(prepared.table, target_of(config), config.balance)


def _train_baseline(prepared, folder, quiet, progress):
    """Train and save the baseline; its numbers for `train.json`."""
    config, dls, balance = prepared.config, run_loaders(prepared), _balance_of(prepared)
    make = learner.BASELINE_LEARNERS[config.kind]
    asked = progress.facts.get("pretrained", config.pretrained)
    learn, pretrained, note = make(dls, target_of(config), config.input_channels, folder, config.precision, asked)
    if progress.facts and pretrained != asked:
        raise InputError(f"The training began with weights that cannot be had any more ({note}): repeat it later.")
    note = progress.facts.get("note", note)
    progress.facts = {"pretrained": pretrained, "note": note}
    learn.add_cbs([*callbacks_of_several(), *_compiled(config)])
    if balance is not None:
        learn.loss_func = learner.PlainLoss(config.task, balance)
    epochs, *rate = (not pretrained and config.baseline_from_scratch) or (config.baseline_epochs,)
    instead = f" at a learning rate of up to {rate[0]:g}, in place of {config.baseline_epochs}" if rate else ""
    print(f"{BASELINES[config.kind]}: {note}, {counted(epochs, 'epochs')}{instead}")
    with silence(learn, quiet):
        learner.fit_baseline(learn, epochs, pretrained, *rate, progress=progress)
    numbers = {"parameters": models.count_parameters(learn.model), "pretrained": pretrained, "note": note}
    numbers["epochs"] = epochs
    numbers["seconds"] = progress.part_seconds()
    last = _judge(learn, BASELINES[config.kind], target_of(config), progress)
    models.save(learn.model, folder / WEIGHTS["baseline"])
    return _numbers_of(last) | numbers


def final_metrics(learn, watch=None):
    """The validation metrics, by name, of the model as it will be saved. watch: a callback beside the learner's own.

    Arithmetic is in full precision whatever the training was in, so that the report and `evaluate` give one number.
    """
    with learn.no_bar(), learn.removed_cbs(learn.cbs.filter(lambda each: isinstance(each, BFloat16))):
        values = learn.validate(cbs=watch)
    return dict(zip(["loss", *learn.metrics.attrgot("name")], values, strict=True))


def _judge(learn, name, target, progress):
    """(`final_metrics`, the numbers of the task as `train.json` names them) of the model; printed in a line.

    name: of the model, in sentences. Diverged if it did.
    """
    watch, numbers, words = JUDGED[target.task]
    watch = watch(target)
    last = final_metrics(learn, watch)
    _check_learned(last, name, progress)
    last |= numbers(last, watch, target)
    print(f"Held-out items, {words(name, last, target)}")
    return last


def _check_learned(last, name, progress):
    """Diverged if a training's answers are NaN; to go on with it would lead there again.

    last: the `final_metrics` of the model. name: of it, in sentences.
    """
    if not math.isfinite(last.get("reconstruction", last["loss"])):
        progress.end()
        raise Diverged(
            f"The training of the {name} diverged: what it gives are no numbers any more. Train anew with a smaller"
            " --lr, smaller weights of the loss, or --precision fp32."
        )


def _beside_accuracy(last, watch, target):
    """What an accuracy has to be set beside, see `class_balance`."""
    return class_balance(watch.confusion.numpy(), list(target.classes))


def _severity_numbers(last, watch, target):
    """The scores of the answered severities, in the severity's unit."""
    answers, truth = (each.flatten().numpy() * target.std + target.mean for each in (watch.answers, watch.targets))
    return severity_scores(answers, truth)


def _label_numbers(last, watch, target):
    """The scores of the answered labels, their means and those of each."""
    return label_scores(watch.answers.sigmoid().numpy(), watch.targets.numpy(), target.names)


JUDGED = {  # task -> what is watched on the held-out items, the numbers that follow, the line that says them
    "classes": (
        lambda target: KeepAnswers(target.outputs),
        _beside_accuracy,
        lambda name, last, _: accuracy_in_words(name, last["accuracy"], last),
    ),
    "severity": (lambda _: KeepPairs(), _severity_numbers, severity_in_words),
    "labels": (lambda _: KeepPairs(), _label_numbers, labels_in_words),
}
KEPT = {  # names in `train.json`, after "valid_"
    "accuracy", "precision", "recall", *BALANCE, *SEVERITY_SCORES, *LABEL_SCORES,
}  # fmt: skip


def _numbers_of(last):
    """The numbers of a task under the names of `train.json`."""
    return {f"valid_{name}": value for name, value in last.items() if name in KEPT}


@contextmanager
def silence(learn, quiet):
    """No wide tables, as each epoch has its line; no bars where nobody looks."""
    with learn.no_logging(), learn.no_bar() if quiet or not sys.stdout.isatty() else nullcontext():
        yield
