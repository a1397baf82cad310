"""What can and cannot be known of a factor that nobody named, in sentences; `found` is what unknown.json holds."""

import shlex

from xaae.experiment.factor_questions import questions_in_words
from xaae.experiment.kinds import kind_in
from xaae.factors.registry import FACTORS
from xaae.latent_nav.naming import RULE

WITHOUT_METER = {  # kind -> what no meter reads, for example
    "signal": "the shape of a wave or an event in the signal",
    "picture": "a texture, an object or a word in the picture",
    "volume": "a texture or an object in the volume",
}
SUSPECTED = {"signal": "hum", "picture": "brightness", "volume": "brightness"}  # kind -> the factor of examples
LEAST_VARIANCE = 1e-6  # of values in 0 to 1: a quarter of a grey level of 256; below it nothing varies


def _listed(names):
    """Names of meters in a sentence: "x, y and edge darkness"."""
    *front, end = [name.replace("_", " ") for name in names]
    return f"{', '.join(front)} and {end}" if front else end


# ---- before the finding is read ---------------------------------------------------------------------------------


def caution_sentences(found):
    """What has to be known before the finding is read: sentences, mostly none."""
    null, sentences = found["shuffled"], []
    if found["arm"] != "normal":
        sentences.append(
            f"This run planted {found['factor']} itself (arm {found['arm']}): what the walk shows may be that. To ask "
            f"about the {kind_in(found).plural} as they came, train with --arm normal."
        )
    if null["that_name_something"] > RULE.p_any * null["directions"]:
        sentences.append(
            f"{null['that_name_something']} of {null['directions']} directions fitted to shuffled labels name "
            "something too. In this latent space a name alone is weak evidence: look at the last columns of the table."
        )
    if found["flips"] < 0.5:
        sentences.append(
            f"The model changes its mind in {found['flips']:.0%} of the walks only: what the walk changes is not what "
            "decides most of its answers."
        )
    return sentences


# ---- what cannot be known ---------------------------------------------------------------------------------------


def limit_sentences(found):
    """What cannot be known from this run, in sentences tied to what was found."""
    sentences = [
        *_about_classes(found),
        "The walk alone does not tell whether the model uses what it shows or only sees it: control models would, for "
        "which the factor is there and useless, and there are none here. Of the factors that it knows, the scan above "
        "asks the models themselves.",
        "A walk shows what goes with the classes in the training data. What goes together need not be cause and "
        "effect: a quantity without a meter may stand behind one that has one.",
        f"Only these quantities have a meter: {_listed(row['meter'] for row in found['meters'])}. What none of them "
        f"reads cannot be named: {WITHOUT_METER[kind_in(found).name]} has to be seen in the frames.",
        _decoder_sentence(found["recon_mse"], found["variance"], kind_in(found).plural),
    ]
    if len(found["classes"]) > 2:
        sentences.append(
            f"Of {len(found['classes'])} classes only the first and the last were compared: {found['contrast']}."
        )
    return sentences


def _decoder_sentence(mse, variance, plural):
    """What the decoder does not draw of items, in the plural."""
    if variance < LEAST_VARIANCE:
        return (
            f"What the decoder cannot draw cannot appear. The {plural} hardly differ from each other (variance "
            f"{variance:.1g}): there is no variance of which a share could be drawn."
        )
    share = mse / variance
    lost = "it has not learned to draw them." if share >= 1 else "small and rare details are lost first."
    return (
        f"What the decoder cannot draw cannot appear. It misses the {plural} by a mean squared error of {mse:.4f}, "
        f"{share:.0%} of their variance: {lost}"
    )


def _about_classes(found):
    """What the named meters, beside the real items, leave open: sentences."""
    real, rows = found["real"], {row["meter"]: row for row in found["meters"]}
    measured = [name for name in found["named"] if name in real]
    alike = [name for name in measured if not real[name]["differs"]]
    unread = [name for name in found["named"] if name not in real]
    hidden = [name for name in real if real[name]["differs"] and name not in found["named"]]
    sentences = [_both(found, name, rows[name]["change"]) for name in measured if real[name]["differs"]]
    sentences += [_alike_sentence(found, alike)] if alike else []
    sentences += [_unread_sentence(found, unread)] if unread else []
    if not found["named"]:
        sentences.append(
            "Nothing was named. That does not clear the model: a shortcut may be one that no meter reads, or one that "
            "the decoder does not draw."
        )
    if hidden:
        sentences.append(
            f"The held-out {kind_in(found).plural} of the classes differ in {_listed(hidden)}, which the walk was not"
            " found to change. The model may use it all the same, where the decoder or this one direction does not show"
            " it."
        )
    return sentences


def _both(found, name, change):
    """What it means that a meter changes on the walk and differs between the classes in the real items too."""
    row, what, plural = found["real"][name], name.replace("_", " "), kind_in(found).plural
    higher = found["last"] if row["auroc"] > 0.5 else found["first"]
    start = f"Held-out {plural} of {higher} read higher in {what} (AUROC {max(row['auroc'], 1 - row['auroc']):.2f})"
    if (change > 0) == (row["auroc"] > 0.5):
        return (
            f"{start}, as on the walk. That may be a genuine property of the classes, or how their {plural} were "
            "made: this run cannot tell which."
        )
    return f"{start}, the other way round than on the walk: the walk's {what} is not simply what the {plural} show."


def _alike_sentence(found, names):
    """What it means that the walk changes meters in which the classes do not differ."""
    plural = kind_in(found).plural
    return (
        f"The walk changes {_listed(names)}, in which the held-out {plural} of {found['first']} and {found['last']} "
        f"were not found to differ. It may be a side effect of the decoder, or a difference too small for these"
        f" {plural}."
    )


def _unread_sentence(found, names):
    """What it means that the walk changes meters that were not read in real items."""
    plural = kind_in(found).plural
    unread = f"was not read in real {plural}: a class has too few held out"
    why = "is only read between frames" if found["real"] else unread
    return (
        f"The walk changes {_listed(names)}, which {why}. Whether the classes differ in it has to be looked up in "
        f"the {plural}."
    )


# ---- what to do next --------------------------------------------------------------------------------------------


def next_steps(found):
    """What to do next: a list of {"text", "command"}, the command "" where there is none."""
    kind = kind_in(found)
    known = [factor.name for factor in FACTORS.values() if factor.meter in found["named"] and factor.fits(kind)]
    factor = known[0] if known else SUSPECTED[kind.name]
    start = f"Train again with {factor} made useless" if known else "Make a factor that you suspect useless"
    data, same = shlex.quote(str(found["dataset"])), found.get("options", "")
    return [
        {
            "text": f"{start}: planted, the same in all classes. If the accuracy holds, the classes can be told "
            "without it; if it falls, that is a sign, no proof, that this model leaned on it.",
            "command": f"python main.py --dataset {data} --factor {factor} --arm irrelevant{same}",
        },
        {
            "text": f"Collect {kind.plural} in which it is balanced between the classes, train on them, and ask again.",
            "command": "",
        },
        {
            "text": "See whether these data and models can show such a factor at all: plant it in your own "
            f"{kind.plural}, where the truth is known, with control models.",
            "command": f"python main.py audit --dataset {data} --factors {factor}",
        },
    ]


# ---- the terminal -----------------------------------------------------------------------------------------------


def unknown_in_words(found):
    """The finding, its nulls, the real items, what cannot be known and what to do next, for the terminal."""
    null = found["shuffled"]
    lines = [
        *questions_in_words(found["questions"]),
        f"From {found['contrast']}, the decoded {kind_in(found).name} {found['sentence']}.",
        f"Of {null['directions']} directions fitted to shuffled labels, {null['that_name_something']} name "
        f"something; {found['random_directions']} random directions gave the p values.",
        *(f"Caution: {caution}" for caution in found["cautions"]),
    ]
    if found["real"]:
        lines.append(f"Real {kind_in(found).plural}, AUROC of {found['last']} over {found['first']}:")
    lines += [f"  {_separation_in_words(name, row)}" for name, row in found["real"].items()]
    lines += ["What this cannot know:", *(f"  - {sentence}" for sentence in found["cannot"])]
    steps = [f"  - {step['text']} {step['command']}".rstrip() for step in found["next"]]
    return "\n".join([*lines, "What to do next:", *steps])


def _separation_in_words(name, row):
    """One meter's separation of the classes: "luminance: 0.90 [0.85, 0.94], p < 0.001"."""
    p = "< 0.001" if row["p_holm"] < 0.001 else f"= {row['p_holm']:.3f}"
    return f"{name.replace('_', ' ')}: {row['auroc']:.2f} [{row['low']:.2f}, {row['high']:.2f}], p {p}"
