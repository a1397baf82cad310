"""A first look in words, for the terminal and the page."""

from xaae.experiment.amounts import counted
from xaae.experiment.class_balance import majority_in_words
from xaae.first_look.associations import ALARMS, NONE
from xaae.first_look.fact_words import ENDINGS, WHO_SEES, about_fact, fact_value

VERBS = {"gives away": "gives the {target} away"}  # grade -> what a fact does; any other fact goes with it
MOST_SHOWN = 3  # classes whose values a sentence names
UNBALANCED = 0.7  # share of the most frequent class
MOST_CLASSES, MOST_LETTERS = 12, 200  # that are named, and of their names
MOST_FACTS = 12  # that go with the target, in the terminal
MOST_REASONS = 5  # why items are left out
FEW, FEW_OF_CLASS = 100, 20  # items, and items of a class, below which a warning is given


def p_text(p):
    """ "p < 0.001", "p = 0.013"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def association_in_words(row, task="classes", noun=""):
    """A sentence on a fact that goes with the target. row: of `associate`. noun: of a severity."""
    about = about_fact(row["fact"])
    target = {"classes": "class", "severity": noun or "severity", "labels": f"label {row['of']}"}[task]
    title = about.title[:1].upper() + about.title[1:]
    verb = VERBS.get(row["grade"], "goes with the {target}").format(target=target)
    shown = f": {_shown(row)}" if row["shown"] else ""
    groups = f", {row['n']} groups" if row["counted"] == "groups" else ""
    numbers = f"{row['measure']} {row['value']:.2f}, {p_text(row['p_holm'])}{groups}"
    also = f" ({', '.join(about_fact(name).title for name in row['also'])}: likewise)" if row["also"] else ""
    return f"{title}{also} {verb}{shown} ({numbers}): {ENDINGS[about.shows].format(reader=WHO_SEES[task])}."


def words_of(row, task="classes", noun=""):
    """{"title", "also_titles", "sentence"} of a row of `associate`."""
    titles = [about_fact(name).title for name in row["also"]]
    title = about_fact(row["fact"]).title
    return {"title": title, "also_titles": titles, "sentence": association_in_words(row, task, noun)}


def copies_in_words(copies):
    """A sentence on items that are others by content."""
    return (
        f"Copies by content: {copies['number']}, left out ({copies['across_splits']} of an item in another part,"
        f" {copies['two_labels']} of one with another label), as {copies['example']}."
    )


def _shown(row):
    """The values of the classes that differ most: "dog 75, cat 95", "PNG: cat 100 %, dog 0 %"."""
    order = sorted(row["shown"], key=lambda name: row["shown"][name], reverse=True)
    half = (MOST_SHOWN + 1) // 2
    ends = order if len(order) <= MOST_SHOWN else [*order[:half], *order[half - MOST_SHOWN :]]
    more = f" ({len(order) - len(ends)} more classes in between)" if len(ends) < len(order) else ""
    if "category" in row:
        category = "none" if row["category"] == NONE else row["category"]
        return f"{category} in " + ", ".join(f"{100 * row['shown'][name]:.0f} % of {name}" for name in ends) + more
    return ", ".join(f"{name} {fact_value(row['fact'], row['shown'][name])}" for name in ends) + more


def alarms_of(look):
    """The rows of the facts that go with the target."""
    return [row for row in look["metadata"] if row["grade"] in ALARMS]


def look_in_words(look):
    """The first look in lines, for the terminal. look: what data.json holds."""
    lines = [f"Found: {look['found']}", *_about_parts(look), *_about_left_out(look), ""]
    lines += metadata_in_words(look)
    if look["warnings"] or look["faults"]:
        lines += ["", *(f"Warning: {text}" for text in look["warnings"]), *(f"Note: {text}" for text in look["faults"])]
    lines += ["", f"Training would refuse this: {look['refusal']}" if look["refusal"] else
              f"To train on it: {look['command']}"]  # fmt: skip
    return "\n".join(lines)


def found_in_words(look):
    """What was found, in a sentence."""
    formats = ", ".join(f"{name} {n}" for name, n in look["formats"].items())
    decoded = f" of {look['decoded']} that were decoded" if look["decoded"] < look["items"] else ""
    unusable = f", {look['unusable']}{decoded} cannot be used" if look["unusable"] else ""
    items = f"{counted(look['items'], look['kind_plural'])} ({formats}){unusable}"
    return f"{items}; {look['task']}: {target_in_words(look)}.{_sizes(look)}"


def target_in_words(look):
    """The classes and how many items each has, or the range of a severity."""
    if not look["classes"]:
        return "none are given"
    known = [f"{name} {n}" for name, n in look["classes"].items()][:MOST_CLASSES]
    shown = [text for i, text in enumerate(known) if i < 2 or len(", ".join(known[: i + 1])) <= MOST_LETTERS]
    more = f" and {len(look['classes']) - len(shown)} more" if len(look["classes"]) > len(shown) else ""
    return f"{', '.join(shown)}{more}"


def balance_in_words(balance):
    """A sentence on classes that are unlike in number, in a list; [] where they are about alike."""
    if not balance or balance["majority_share"] < UNBALANCED:
        return []
    words = majority_in_words(balance)
    return [f"The classes are unlike in number: {words}. Accuracy alone says little; --balance loss weighs them alike."]


def few_in_words(look):
    """A warning of very little data, with the thresholds, in a list; [] where there is enough."""
    smallest = look["balance"].get("smallest_class", "")  # of classes alone
    of_class = look["balance"].get("smallest", FEW_OF_CLASS)
    few = [f"{counted(look['items'], look['kind_plural'])} (fewer than {FEW})"] if look["items"] < FEW else []
    few += [f"{of_class} of the smallest class, {smallest} (fewer than {FEW_OF_CLASS})"] * (of_class < FEW_OF_CLASS)
    if not few:
        return []
    valid = look["splits"].get("valid", {})
    held = sum(valid.values()) if look["items"] < FEW else valid.get(smallest, 0)
    error = f": the standard error of an accuracy is up to {50 / held**0.5:.0f} points" if held and smallest else ""
    rough = f", and {counted(held, 'held-out items')} judge it roughly{error}" if held else ""
    return [f"Very little data: {' and '.join(few)}. A network learns so few by heart{rough}."]


def _sizes(look):
    """The sizes of items, in a sentence; "" where they are not known."""
    parts = []
    for name, about in look["sizes"].items():
        lowest, highest, usual = (fact_value(name, about[end]) for end in ("lowest", "highest", "usual"))
        size = lowest if lowest == highest else f"{lowest.split()[0]} to {highest}, mostly {usual.split()[0]}"
        parts.append(f"{about_fact(name).title} {size}")
    text = ("of the whole recordings: " if look["parts"] else "") + "; ".join(parts)
    return f" {text[:1].upper()}{text[1:]}." if parts else ""


def _about_parts(look):
    """Lines on notes, splits and groups."""
    lines = [*look["notes"], *look["reading"]]
    if look["splits"]:
        parts = [f"{name} {sum(counts.values())}" for name, counts in look["splits"].items()]
        lines.append(f"Splits: {', '.join(parts)} ({look['split_by']}).")
    if look["groups"]:
        lines.append(f"Groups: {look['groups']['number']}, {look['groups']['shared']} of them in more than one part.")
    return lines


def _about_left_out(look):
    """Lines on what is left out, unreadable or there twice."""
    lines = []
    for each in look["left_out"][:MOST_REASONS]:
        lines.append(f"Left out: {each['number']} ({each['reason']}), as {each['example']}.")
    if len(look["left_out"]) > MOST_REASONS:
        more = counted(len(look["left_out"]) - MOST_REASONS, "more reasons")
        lines.append(f"Left out for {more}: see skipped.csv.")
    if look["copies"]["number"]:
        lines.append(look["copies"]["sentence"])
    if look["unreadable"]["number"]:
        bad = look["unreadable"]
        lines.append(f"Files that cannot be opened: {bad['number']}, as {bad['example']}.")
    return lines or ([] if look["unusable"] else ["Nothing is left out."])  # a note tells of what cannot be used


def metadata_in_words(look):
    """Sentences on the facts that go with the target, the strongest first."""
    if not look["metadata"]:
        return ["Metadata: nothing to compare."]
    alarms, n = alarms_of(look), counted(len(look["metadata"]), "facts")
    go = f"{len(alarms) or 'none'} {'goes' if len(alarms) == 1 else 'go'} with it"
    lines = [f"Metadata: {n} compared with the {look['target_word']}, Holm-corrected; {go}."]
    lines += [f"  {'!' if row['grade'] == 'gives away' else '-'} {row['sentence']}" for row in alarms[:MOST_FACTS]]
    lines += [f"  And {len(alarms) - MOST_FACTS} more: see data.html."] if len(alarms) > MOST_FACTS else []
    slight = [f"{about_fact(row['fact']).title} ({row['measure']} {row['value']:.2f})" for row in look["metadata"]
              if row["grade"] == "slight"]  # fmt: skip
    return [*lines, f"  Slight, but beyond chance: {', '.join(slight)}."] if slight else lines


def target_word(look):
    """What facts are compared with: the class, or the target."""
    return "class" if look["task"] == "classes" else "target"
