"""An audit in plain words: its summary for people who read no tables, and its table for the terminal."""

from xaae.audit.controls import EXPECTED

ORDER = ("REVEALS", "DOES NOT", "UNDECIDED")


def summary(result):
    """Sentences that a non-expert understands, of what audit.json holds."""
    told = [
        f"Models were trained on {result['dataset']} with a shortcut planted on purpose, and without it. Then every "
        "explanation was asked the same: does it show the shortcut of those models that took it, and of no others?"
    ]
    told += [of_factor(result, key) for key in result["factors"]]
    told += _of_controls(result)
    told += [f"Caution: {each}" for each in impossible(result["settings"], result["thresholds"])]
    if chance := result.get("chance"):
        n, m = (sum(chance[key].values()) for key in ("reveals", "detected"))
        told.append(
            f"Between models that differ in their seed alone ({chance['pairs']} pairs of groups, "
            f"{len(chance['reveals'])} explanations) chance got REVEALS {n or 'no'} time{'s' * (n != 1)}; detection "
            f"alone passed {m or 'no'} time{'s' * (m != 1)}."
        )
    return told


def of_factor(result, key):
    """What became of one factor."""
    cells = [c for c in result["cells"] if c["factor"] == key and not c["explanation"].startswith("control:")]
    gate = result["factors"][key]["gates"]
    head = f"{key.capitalize()}: "
    for m in (m for m in result["models"] if m in gate and gate[m]["clause"]):
        head += f"the {result['models'][m]} cannot be asked ({gate[m]['clause']}); "
    if gate.get("shown", {}).get("clause"):
        head += f"walks cannot be judged ({gate['shown']['clause']}); "
    by = {v: [c for c in cells if c["verdict"] == v] for v in ORDER}
    shown = [f"{_title(result, c)}" for c in by["REVEALS"]]
    head += f"revealed by {'; '.join(shown)}. " if shown else "revealed by nothing that could be asked. "
    no, open_ = len(by["DOES NOT"]), len(by["UNDECIDED"])
    told = head + f"{no} explanation{'s do' if no != 1 else ' does'} not reveal it, {open_} {_verb(open_)} undecided."
    if not result["factors"][key].get("local", True):
        told += " It has no place in the picture, so that no heat map can name it: theirs is at best undecided."
    return told


def _verb(n):
    """ "is" or "are"."""
    return "is" if n == 1 else "are"


def _title(result, c):
    """An explanation and whose it is."""
    model = result["models"].get(c["model"])
    own = result["explanations"][c["explanation"]]["title"]
    return own if c["explanation"].startswith("walk:") or not model else f"{own} of the {model}"


def impossible(settings, asked):
    """What the settings make impossible whatever the explanations show: sentences, mostly none."""
    told, k = [], settings["random_directions"]
    if settings["preset"] == "smoke":
        told.append(
            "Preset smoke shows what an audit looks like: with so few pictures gates fail and little is decided."
        )
    if settings["seeds"] < 3:
        told.append("Two seeds cannot tell false alarms, so that nothing can get REVEALS: three or more can.")
    if 1 / (k + 1) > asked["p"]:
        told.append(f"Beside {k} random directions p is {1 / (k + 1):.3f} at best, so that no walk can get REVEALS: "
                    f"that asks for p of {asked['p']:g} at most.")  # fmt: skip
    return told


def _of_controls(result):
    """Do the explanations whose verdict is known beforehand get it?"""
    cells = [c for c in result["cells"] if c["explanation"].startswith("control:")]
    if result["settings"]["seeds"] < 3:  # nothing can get REVEALS: the others have to come out all the same
        cells = [c for c in cells if _expected(c) != "REVEALS"]
    wrong = [f"{c['explanation'].partition(':')[2]} ({c['factor']})" for c in cells if c["verdict"] != _expected(c)]
    if wrong:
        return [f"Caution: controls failed: {', '.join(wrong)}. Do not trust this audit."]
    return [f"The controls came out as they must: {_came_out(cells)}."] if cells else []


def _came_out(cells):
    """Which control got which verdict, in words."""
    names = {v: sorted({c["explanation"].partition(":")[2] for c in cells if _expected(c) == v}) for v in ORDER}
    return "; ".join(f"{', '.join(some)} {v}" for v, some in names.items() if some)


def _expected(c):
    """The verdict that a control must get."""
    return EXPECTED[c["explanation"].partition(":")[2]]


def _table(result):
    """Verdicts as lines of text: one explanation a line, one column for each factor."""
    keys = list(result["factors"])
    rows = {}
    for c in result["cells"]:
        short = "refused" if c["status"] == "refused" else c["status"] if c["status"] != "ok" else c["verdict"]
        number = f" {c['auroc']:.2f}" if c.get("auroc") is not None else ""
        rows.setdefault((c["explanation"], c["model"]), {})[c["factor"]] = short + number
    names = {pair: _title(result, {"explanation": pair[0], "model": pair[1]}) for pair in rows}
    first = max(map(len, names.values()))
    wide = [max(len(k), *(len(r.get(k, "")) for r in rows.values())) for k in keys]
    line = lambda head, texts: f"{head:<{first}}  " + "  ".join(f"{t:<{w}}" for t, w in zip(texts, wide, strict=True))  # noqa: E731
    return "\n".join([line("", keys), *(line(names[p], [r.get(k, "") for k in keys]) for p, r in rows.items())])


def audit_in_words(result):
    """The table and the summary, for the terminal."""
    took, memory = result["seconds"]["total"] / 60, result["memory_mb"] / 1024
    again = f" ({result['arms_cached']} models were there already)" if result["arms_cached"] else ""
    told = f"{took:.0f} minute{'s' * (round(took) != 1)}{again}, {memory:.1f} GiB at most."
    return "\n".join([_table(result), "", *result["summary"], told])
