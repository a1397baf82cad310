"""The table of verdicts: groups of explanations, one row each, one column for each factor."""

from collections import Counter

from xaae.report.audit.audit_names import VERDICT_TONES, group_title, row_title

ORDER = ("walk", "scan", "sorted", "map", "control")  # of the groups
COUNT_WORDS = {"REVEALS": ("reveals", "reveal"), "DOES NOT": ("does not", "do not"), "UNDECIDED": ("undecided",) * 2}


def verdict_groups(result: dict, cells: list[dict]) -> list[dict]:
    """Groups of rows, each row with one entry for each factor, None where there is no cell."""
    groups = {}
    for cell in cells:
        pair = cell["explanation"], cell["model"]
        groups.setdefault(cell["group"], {}).setdefault(pair, {})[cell["factor"]] = cell
    return [
        {"title": group_title(result, g), "rows": [_row(result, pair, own) for pair, own in groups[g].items()]}
        for g in _in_order(result, groups)
    ]


def _row(result: dict, pair: tuple[str, str], own: dict) -> dict:
    """One explanation of one model: its name, the verdict that it must get if it is a control, and its cells."""
    expected = next(iter(own.values()))["expected"]
    return {"title": row_title(result, *pair), "expected": expected, "cells": [own.get(k) for k in result["factors"]]}


def evidence_groups(result: dict, cells: list[dict], factor: str) -> list[dict]:
    """The evidence on one factor in the order of the table: {title, counts, cells} of each group that has any."""
    groups = {}
    for cell in (c for c in cells if c["factor"] == factor):
        groups.setdefault(cell["group"], []).append(cell)
    return [
        {"title": group_title(result, g), "counts": _counts(groups[g]), "cells": groups[g]}
        for g in _in_order(result, groups)
    ]


def verdict_counts(cells: list[dict]) -> list[dict]:
    """How often each verdict was given, controls left out."""
    number = Counter(c["verdict"] for c in cells if c["kind"] != "control")
    return [{"verdict": v, "tone": tone, "number": number[v]} for v, tone in VERDICT_TONES.items()]


def _in_order(result: dict, groups) -> list[tuple[str, str]]:
    """Walks, the factor scan, sorted items, heat maps of the last model first, controls."""
    models = list(result["models"])
    return sorted(groups, key=lambda g: (ORDER.index(g[0]), -models.index(g[1]) if g[1] in models else 1))


def _counts(cells: list[dict]) -> str:
    """ "2 reveal, 1 does not, 3 undecided"."""
    number = Counter(c["verdict"] for c in cells)
    return ", ".join(f"{n} {words[n != 1]}" for v, words in COUNT_WORDS.items() if (n := number[v]))
