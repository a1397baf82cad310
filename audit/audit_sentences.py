"""An audit in plain words: its summary for people who read no tables, and its table for the terminal."""

from xaae.audit.controls import EXPECTED
from xaae.audit.verdict import REVEALS, VERDICTS
from xaae.experiment.kinds import PICTURE, kind_in


def summary_sentences(result):
    """Sentences that a non-expert understands, of what audit.json holds."""
    sentences = [
        f"Models were trained on {result['dataset']} with a shortcut planted on purpose, and without it. Then every "
        "explanation was asked the same: does it show the shortcut of those models that took it, and of no others?"
    ]
    sentences += [factor_sentence(result, key) for key in result["factors"]]
    sentences += _control_sentences(result)
    cautions = settings_cautions(result["settings"], result["thresholds"], kind_in(result))
    sentences += [f"Caution: {caution}" for caution in cautions]
    return sentences + ([_chance_sentence(result["chance"])] if result.get("chance") else [])


def factor_sentence(result, key):
    """What became of one factor: gates that failed, explanations that reveal it, and how many do not."""
    cells = [cell for cell in result["cells"] if cell["factor"] == key and not _is_control(cell)]
    by_verdict = {verdict: [c for c in cells if c["verdict"] == verdict] for verdict in VERDICTS}
    revealing, no, undecided = by_verdict.values()
    titles = "; ".join(_title(result, cell) for cell in revealing)
    sentence = f"{key.capitalize()}: {_failed_gates(result, key)}"
    sentence += f"revealed by {titles}. " if titles else "revealed by nothing that could be asked. "
    sentence += f"{len(no)} explanation{' does' if len(no) == 1 else 's do'} not reveal it, "
    sentence += f"{len(undecided)} {'is' if len(undecided) == 1 else 'are'} undecided."
    if not result["factors"][key].get("local", True):
        where = f"no place in the {kind_in(result).name}"
        sentence += f" It has {where}, so that no heat map can name it: theirs is at best undecided."
    return sentence


def _failed_gates(result, key):
    """The gates of a factor that failed, in words; "" if none did."""
    gates, titles = result["factors"][key]["gates"], result["models"]
    failed = [(titles[m], gates[m]["clause"]) for m in titles if m in gates and gates[m]["clause"]]
    words = "".join(f"the {title} cannot be asked ({clause}); " for title, clause in failed)
    shown = gates.get("shown", {}).get("clause")
    return words + (f"walks cannot be judged ({shown}); " if shown else "")


def _title(result, cell):
    """An explanation and whose it is."""
    title, model = result["explanations"][cell["explanation"]]["title"], result["models"].get(cell["model"])
    return title if cell["explanation"].startswith("walk:") or not model else f"{title} of the {model}"


def settings_cautions(settings, thresholds, kind=PICTURE):
    """What the settings make impossible, whatever the explanations show: sentences, mostly none.

    settings and thresholds: dicts. kind: of the items.
    """
    cautions, p_best = [], 1 / (settings["random_directions"] + 1)
    if settings["preset"] == "smoke":
        cautions.append(
            f"Preset smoke shows what an audit looks like: with so few {kind.plural} gates fail and little is decided."
        )
    if settings["seeds"] < 3:
        cautions.append("Two seeds cannot tell false alarms, so that nothing can get REVEALS: three or more can.")
    if p_best > thresholds["p"]:
        cautions.append(
            f"Beside {settings['random_directions']} random directions p is {p_best:.3f} at best, so that no walk can"
            f" get REVEALS: that asks for p of {thresholds['p']:g} at most."
        )
    return cautions


def _chance_sentence(chance):
    """How often chance alone raised an alarm."""
    reveals, detected = (sum(chance[name].values()) for name in ("reveals", "detected"))
    times = lambda n: f"{n or 'no'} time{'s' * (n != 1)}"  # noqa: E731
    return (
        f"Between models that differ in their seed alone ({chance['pairs']} pairs of groups, "
        f"{len(chance['reveals'])} explanations) chance got REVEALS {times(reveals)}; detection "
        f"alone passed {times(detected)}."
    )


# ---- controls ---------------------------------------------------------------------------------------------------


def _is_control(cell):
    """Is it a cell of a control?"""
    return cell["explanation"].startswith("control:")


def _control_name(cell):
    """The name of a control."""
    return cell["explanation"].removeprefix("control:")


def _control_sentences(result):
    """Do the explanations whose verdict is known beforehand get it?"""
    cells = [cell for cell in result["cells"] if _is_control(cell)]
    if result["settings"]["seeds"] < 3:  # nothing can get REVEALS: the others have to come out all the same
        cells = [cell for cell in cells if EXPECTED[_control_name(cell)] != REVEALS]
    wrong = [f"{_control_name(c)} ({c['factor']})" for c in cells if c["verdict"] != EXPECTED[_control_name(c)]]
    if wrong:
        return [f"Caution: controls failed: {', '.join(wrong)}. Do not trust this audit."]
    names = {v: sorted({_control_name(c) for c in cells if EXPECTED[_control_name(c)] == v}) for v in VERDICTS}
    words = "; ".join(f"{', '.join(group)} {verdict}" for verdict, group in names.items() if group)
    return [f"The controls came out as they must: {words}."] if cells else []


# ---- the terminal -----------------------------------------------------------------------------------------------


def audit_in_words(result):
    """The table and the summary, for the terminal."""
    minutes, memory, cached = result["seconds"]["total"] / 60, result["memory_mb"] / 1024, result["arms_cached"]
    again = f" ({cached} models were there already)" if cached else ""
    cost = f"{minutes:.0f} minute{'s' * (round(minutes) != 1)}{again}, {memory:.1f} GiB at most."
    return "\n".join([_table(result), "", *result["summary"], cost])


def _table(result):
    """Verdicts as lines of text: one explanation a line, one column for each factor."""
    keys, rows = list(result["factors"]), {}
    for cell in result["cells"]:
        rows.setdefault(_title(result, cell), {})[cell["factor"]] = _short_verdict(cell)
    table = [["", *keys], *([title, *(row.get(key, "") for key in keys)] for title, row in rows.items())]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join("  ".join(f"{text:<{w}}" for text, w in zip(row, widths, strict=True)) for row in table)


def _short_verdict(cell):
    """A cell in a few letters: "REVEALS 0.98", "refused"."""
    word = cell["verdict"] if cell["status"] == "ok" else cell["status"]
    return word if cell.get("auroc") is None else f"{word} {cell['auroc']:.2f}"
