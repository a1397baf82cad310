"""What the numbers of one run allow to be said, in plain sentences."""

from xaae.experiment.amounts import in_agreement
from xaae.experiment.class_balance import majority_in_words, weakness_in_words
from xaae.experiment.kinds import PICTURE
from xaae.experiment.vocabulary import ARMS, models_of
from xaae.experiment.walk_words import (
    MOST,
    arrival,
    groups_in_words,
    is_invisible,
    no_glide,
    told_names,
    unseen_in_words,
)
from xaae.report.run.target_section import target_sentence
from xaae.report.run.walk_reading import is_blind, is_small, missing_clauses, quantities, understood_reading
from xaae.report.shared.words import MISSING, and_list, as_sentence, direction_name, fixed, percent

MEANING = {  # by arm and reading
    "biased": {
        "changes": "In arm biased the {noun} tells the classes apart, and the walk shows it, as it does where a model "
        "uses {factor}.",
        "unused": "In arm biased the {noun} tells the classes apart, and the walk shows it. But when only the {noun} "
        "is planted, too few answers of the AAE follow it to say that it uses {factor} (at least 85\u202f% must "
        "follow): the walk shows what goes with the class in these items, not what alone decides.",
        "does not change": "In arm biased the {noun} tells the classes apart, and the walk does not show it: either "
        "the model ignores it, or the walk misses it.",
    },
    "irrelevant": {
        "changes": "In arm irrelevant the {noun} says nothing about the class, so this {change} is a false alarm.",
        "does not change": "In arm irrelevant the {noun} says nothing about the class, and the walk shows no {change}: "
        "this is as it should be.",
    },
    "normal": {
        "changes": "In arm normal nothing was planted: either such a {change} was in the data already, or this is a "
        "false alarm.",
        "does not change": "In arm normal nothing was planted, and the walk shows no {change}: this is as it should "
        "be.",
    },
}
CHOSEN_WALK = (
    "This walk was chosen with --directions or --away, not for telling the classes apart: it says nothing about what "
    "the models use."
)
JUDGED = 0.15  # more than chance: the least accuracy of a judge who can tell the classes of real items apart
RECOGNISED = 0.1  # more than chance: what of reconstructions has to be recognised
LOST = 0.2  # share of reconstructions that the AAE decides otherwise than the items, from which they lost what decides
SHARES = ("flipped", "flipped_when_seen", "already", "accepted", "shorter")
FAR_WITH_HEAD = "at eight times the distance at which the head alone would decide otherwise"
FAR_WITHOUT = "at the nearest real item of another class"
HEAD_SENTENCES = (  # the numbers that each needs, and the sentence: of a classifier that reads codes
    (("flipped",), "for {flipped} of {items} held-out items there is a nearby code that the head assigns to another "
     "class"),
    (("flipped_when_seen",), "{flipped_when_seen} also change class when that code is decoded and the {item} encoded "
     "again"),
)  # fmt: skip
SEEN_SENTENCES = (  # of one that reads the items alone
    (("flipped_when_seen",), "for {flipped_when_seen} of {items} held-out items there is a nearby code whose decoded "
     "{item} is assigned to another class"),
)  # fmt: skip
COUNTERFACTUAL_SENTENCES = (  # of both
    (("accepted",), "of these codes the discriminator accepts {accepted}"),
    (("distance", "nearest_other"), "their median distance is {distance}, and the nearest real item of another class "
     "is {nearest_other} away"),
    (("shorter",), "the counterfactual is nearer than that item for {shorter}"),
    (("already",), "{already} change class in the plain reconstruction already"),
)  # fmt: skip


def paragraphs(summary: dict) -> dict[str, str]:
    """Title, lead, body and caveat of the page's opening.

    checked: what is said further down of a factor that nobody asked for, where the walk gives an answer.
    """
    of_factor, others = (_checked_factor, _judgement, _meaning), (_other_changes, _spurious_scores, _accuracies)
    others = (*others, target_sentence)
    said = lambda parts: " ".join(filter(None, (part(summary) for part in parts)))  # noqa: E731
    asked = _is_asked(summary)
    answered = summary["walk"]["reading"] in ("changes", "does not change")
    return {
        "title": _title(summary),
        "lead": said((_headline, *((_disagreement, _arrival) if asked else (_arrival, _led_instead)), _no_answer)),
        "body": said((*of_factor, *others) if asked else others),
        "caveat": _caveat(summary),
        "checked": "" if asked or not answered else said(of_factor),
    }


def _is_asked(summary: dict) -> bool:
    """May the opening speak of the run's factor: was it planted, or named on the command line?"""
    return summary["arm"] != "normal" or bool(summary.get("factor_asked"))


def counterfactual_sentences(summary: dict) -> str:
    """The numbers of the counterfactuals in sentences; "" if there are none."""
    numbers = {"items": None, **summary["counterfactual"]}
    texts = {key: percent(value) if key in SHARES else fixed(value, 2) for key, value in numbers.items()}
    texts["item"] = _item(summary)
    texts["items"] = "the" if numbers["items"] is None else str(numbers["items"])
    first = SEEN_SENTENCES if numbers.get("flipped") is None else HEAD_SENTENCES
    known = (
        text
        for keys, text in (*first, *COUNTERFACTUAL_SENTENCES)
        if all(texts.get(k, MISSING) != MISSING for k in keys)
    )
    sentences = [as_sentence(in_agreement(text.format(**texts))) for text in known]
    return " ".join(filter(None, [*sentences, _beside_the_walk(summary)]))


def _beside_the_walk(summary: dict) -> str:
    """Why the walk changes decisions and the counterfactuals do not, or the other way round; "" where they agree."""
    walked, seen = summary["walk"].get("flips"), summary["counterfactual"].get("flipped_when_seen")
    has_head = summary["counterfactual"].get("flipped") is not None
    if walked is None or seen is None or (walked >= MOST) == (seen >= MOST):
        return ""
    if walked >= MOST:
        return (
            f"The walk above changes the decision for {percent(walked)} of its starts all the same: it goes from one "
            "end of its direction to the other, however far that is. A counterfactual begins at the code of the "
            f"{_item(summary)} itself, and the search for it ends {FAR_WITH_HEAD if has_head else FAR_WITHOUT}."
        )
    return (
        f"The walk above changes the decision for {percent(walked)} of its starts only: it keeps to one direction, "
        f"whereas each counterfactual leaves its {_item(summary)} in whatever direction is the nearest."
    )


def _title(summary: dict) -> str:
    """The heading of the page: from where to where the walk leads, "towards" where it does not arrive."""
    goal, name = _goal(summary), summary["walk"]["direction"]
    contrast = (summary["directions"].get(name) or {}).get("contrast") or ""
    start = contrast.removesuffix(f" to {goal}") if contrast.endswith(f" to {goal}") else ""
    start = start or next(iter(summary.get("classes") or []), "the first class")
    share = summary["walk"].get("flips")
    return f"Walking from {start} {'to' if share is None or share >= MOST else 'towards'} {goal}"


def _goal(summary: dict) -> str:
    """The classes that the main walk leads to, in words."""
    about = (summary.get("directions") or {}).get(summary["walk"]["direction"]) or {}
    return " or ".join(map(str, about.get("leads_to") or (summary.get("classes") or [])[-1:])) or "the last class"


def _arrival(summary: dict) -> str:
    """Whether the walk brings the decision over, where it does not do so for all starts."""
    return "" if summary["walk"]["change"] is None else arrival(summary["walk"], _goal(summary))


def _led_instead(summary: dict) -> str:
    """What the walk that the AAE leads changes, where the main one, which it does not lead, changes nothing."""
    led, naming = (summary.get("led") or {}).get("aae") or {}, summary["naming"] or {}
    name = led.get("direction")
    if not led.get("named") or name in (None, summary["walk"]["direction"]) or _named_meters(summary):
        return ""
    changes = [in_agreement(row["words"]) for row in told_names((naming.get(name) or {}).get("meters") or [])[0]]
    over = led.get("brought_over")
    arrives = "" if over is None else f", and that brings the decision over for {percent(over)} of the starts"
    return f"Along the walk that the AAE leads it {and_list(changes)}{arrives}." if changes else ""


def _no_answer(summary: dict) -> str:
    """Why the walks answer nothing, if it is the decoder's fault; "" where they do."""
    return _unrecognised(summary) or _left_out(summary)


def _unrecognised(summary: dict) -> str:
    """That nobody can tell what the decoder draws, so that its walks answer nothing; "" where it can be told."""
    aae, count = summary["aae"], len(summary.get("classes") or [])
    said, right = aae.get("recon_agreement"), aae.get("recon_judge_accuracy")
    chance = max(aae.get("valid_majority_share") or 0, 1 / max(count, 1))
    if said is None or count < 2 or right < chance + JUDGED or said > chance + RECOGNISED:
        return ""
    return (
        f"Only {percent(said)} of the reconstructions are recognised, hardly more than by chance: this decoder draws "
        f"too little of the {_item(summary)}s for its walks to answer anything. Train for longer."
    )


def _left_out(summary: dict) -> str:
    """That the decoder loses some of what the AAE goes by, so that a walk which changes no decision is no answer; ""
    where it does not, and where the walk changes decisions, or the factor that was asked about, all the same."""
    lost, flips = summary["counterfactual"].get("already"), summary["walk"].get("flips")
    shown = _is_asked(summary) and summary["walk"]["reading"] == "changes"  # of the factor in question
    if shown or lost is None or lost < LOST or flips is None or flips >= MOST:
        return ""
    return (
        f"That is no answer, it is undecided: the AAE decides {percent(lost)} of its own reconstructions otherwise than"
        f" the {_item(summary)}s, so the decoder loses some of what it goes by, and this walk need not show it."
        " Train for longer, or with the other --code."
    )


def _disagreement(summary: dict) -> str:
    """That the starts fall into two groups, of which the median is not typical; "" where they do not."""
    groups, measured = summary["walk"].get("start_groups"), quantities(summary)[1]
    if not groups:
        return ""
    return f"The starts disagree, so that no single number is typical: {groups_in_words(groups, measured.signed)}."


def _headline(summary: dict) -> str:
    """The first sentence: what the walk does to the decoded picture.

    It speaks of the planted factor where one was planted, in arm normal of whatever the naming table names.
    """
    walk = summary["walk"]
    if walk["change"] is None:
        return "In this run no walk has been measured yet."
    change = _measured_change(summary)
    if is_invisible(walk):
        change = f"does not change visibly: {unseen_in_words(_item(summary))}"
    elif summary["arm"] == "normal" and walk["direction"] in (summary["naming"] or {}):
        change = (
            and_list(in_agreement(row["words"]) for row in _named_meters(summary)) or "changes no factor beyond chance"
        )
    elif not _is_asked(summary):
        change = "has changed, but in what has not been named yet"
    return f"From one end of the {_main_way(summary)} to the other, the decoded {_item(summary)} {change}."


def _main_way(summary: dict) -> str:
    """What the main walk goes along: "LDA direction", or "walk that the ResNet34 leads"."""
    name = summary["walk"]["direction"]
    leader = (summary["directions"].get(name) or {}).get("leader")
    short = direction_name(name, summary.get("kind"))
    return f"walk that the {leader['title']} leads" if leader else f"{short} direction"


def _measured_change(summary: dict) -> str:
    """How far the decoded picture changes, with its interval and beside random directions: a clause."""
    walk, measured = summary["walk"], quantities(summary)[1]
    change, random = walk["change"], walk["random_change"]
    words = in_agreement(walk["change_words"] or "") or f"has a {measured.change} of {measured.long(abs(change))}"
    ends = sorted(end if change >= 0 else -end for end in walk["change_ci"] or [] if end is not None)
    low_high = [fixed(end, measured.digits) for end in ends]
    interval = f" (95\u202f% interval {' to '.join(low_high)})" if len(ends) == 2 else ""
    verb = "turn" if measured.change == "turn" else "change"
    beside = "" if random is None else f"; random directions {verb} it by {fixed(random, measured.digits)}"
    return f"{words}{interval}{beside}"


def _named_meters(summary: dict) -> list[dict]:
    """The rows of the meters that name what changes along the main direction, strongest first."""
    naming = (summary["naming"] or {}).get(summary["walk"]["direction"]) or {}
    rows = [] if is_invisible(summary["walk"]) else naming.get("meters") or []
    return [row for row in told_names(rows)[0] if row.get("words")]


def _checked_factor(summary: dict) -> str:
    """In arm normal: the factor that the run is checked for, after what changes in general."""
    if summary["arm"] != "normal" or summary["walk"]["change"] is None:
        return ""
    changed = f"Checked for {_factor(summary)}: the {_item(summary)} {_measured_change(summary)}."
    return " ".join(filter(None, [changed, "" if _is_asked(summary) else _disagreement(summary)]))


def _judgement(summary: dict) -> str:
    """The sentence of the reading: a clear change, none, or undecided and why."""
    sentences = {"changes": _clear_change, "does not change": _no_change, "undecided": _undecided}
    walk_says = summary["walk"]["reading"]
    return sentences[walk_says](summary) if walk_says else ""


def _clear_change(summary: dict) -> str:
    """The walk changes the factor, and random directions do not."""
    walk, measured = summary["walk"], quantities(summary)[1]
    number, p = walk.get("random_directions"), walk["p_value"]
    none = number and p is not None and p * (number + 1) < 1.5
    reached = f"none of {number} random directions reaches" if none else "hardly any random direction reaches"
    return (
        f"This is a clear {measured.change}: the {measured.noun} follows the walk (Spearman "
        f"{fixed(walk['spearman'], 2)}), and {reached} as far (p = {fixed(p, 3)})."
    )


def _no_change(summary: dict) -> str:
    """The walk does not change the factor."""
    measured, limits = quantities(summary)[1], summary["planted"]["limits"]
    return (
        f"This is no {measured.change}: a {measured.change} of at most {measured.long(limits['none'])} counts as none."
    )


def _undecided(summary: dict) -> str:
    """Neither a clear change nor none, and why."""
    walk, measured, limits = summary["walk"], quantities(summary)[1], summary["planted"]["limits"]
    if is_small(walk["change"], limits) and is_blind(limits, summary["meter"]):
        return (
            f"This is undecided: on reconstructions the measured {measured.noun} is off by "
            f"{measured.long(summary['meter']['reconstruction_error'])}, so this decoder cannot show "
            f"{_factor(summary)}, and a walk without a {measured.change} proves nothing."
        )
    missing = missing_clauses(walk, limits, measured)
    if missing == [no_glide(walk, measured.long, measured.noun)]:
        return f"This is no clear {measured.change} but {missing[0]}."
    return f"This is undecided: {'; '.join(missing)}."


def _meaning(summary: dict) -> str:
    """What the reading means in this arm."""
    planted, measured = quantities(summary)
    chosen = _is_chosen(summary)
    text = CHOSEN_WALK if chosen else MEANING.get(summary["arm"], {}).get(understood_reading(summary), "")
    return text.format(noun=planted.noun, factor=_factor(summary), change=measured.change)


def _is_chosen(summary: dict) -> bool:
    """Did the user ask for a walk that leaves something out, or along which no classes are told apart?"""
    about = (summary.get("directions") or {}).get(summary["walk"]["direction"]) or {}
    kept_away = (summary.get("options") or {}).get("away")
    return bool(kept_away) or about.get("kind") in ("pca", "dims", "target")


def _other_changes(summary: dict) -> str:
    """What else the naming table names, where the lead speaks of the planted factor alone."""
    if summary["arm"] == "normal":
        return ""
    own = summary["planted"]["meter"] or summary["walk"]["meter"] or "rotation"
    others = [in_agreement(row["words"]) for row in _named_meters(summary) if not str(row.get("meter")).startswith(own)]
    return f"Beyond chance it also {and_list(others)}." if others else ""


def _spurious_scores(summary: dict) -> str:
    """In arm biased: how often the answer follows the planted value of another class."""
    scores = summary.get("spurious_score") or {}
    models = models_of(summary.get("kind")).items()
    known = [f"{percent(scores[key])} for the {name}" for key, name in models if scores.get(key) is not None]
    if summary["arm"] != "biased" or not known:
        return ""
    noun = quantities(summary)[0].noun
    return f"When another class's {noun} is planted, the answer becomes that class: {and_list(known)}."


def _accuracies(summary: dict) -> str:
    """How well the classifiers do on held-out items."""
    values = {name: summary[key]["valid_accuracy"] for key, name in models_of(summary.get("kind")).items()}
    known = [f"{percent(value, 1)} for the {name}" for name, value in values.items() if value is not None]
    sentence = f"Accuracy on held-out items: {and_list(known)}." if known else ""
    return " ".join(filter(None, [sentence, *(_beside_accuracy(summary) if known else ())]))


def _beside_accuracy(summary: dict):
    """Sentences: balanced accuracies, the most frequent class's share, and models that are no better than it."""
    numbers = {
        name: {key.removeprefix("valid_"): value for key, value in summary[part].items() if value is not None}
        for part, name in models_of(summary.get("kind")).items()
    }
    known = {name: each for name, each in numbers.items() if "majority_share" in each and "accuracy" in each}
    if not known:
        return
    balanced = and_list(f"{percent(each['balanced_accuracy'], 1)} for the {name}" for name, each in known.items())
    majority = majority_in_words(next(iter(known.values()))).removesuffix(" %") + "\u202f%"
    yield f"Balanced over the classes: {balanced}; {majority}."
    yield from (weakness_in_words(name, each["accuracy"], each) for name, each in known.items())


def _caveat(summary: dict) -> str:
    """What one run cannot tell, and which runs can."""
    others = [f"--arm {arm}" for arm in ARMS if arm != summary["arm"]]
    return (
        "One run alone cannot tell whether another arm or another seed would give the same walk. To find out, repeat "
        f"the command with {', with '.join(others)}, and with another --seed."
    )


def _factor(summary: dict) -> str:
    """The name of the factor."""
    return summary["factor"] or "rotation"


def _item(summary: dict) -> str:
    """What one item is called: "picture" where the summary names no kind."""
    return summary.get("kind") or PICTURE.name
