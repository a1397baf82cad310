"""Which facts of items go with what is to be predicted: most shortcuts are found here, before anything is trained.

A fact is a column of numbers or of categories. Numbers are compared by ranks (AUROC; Spearman for a severity),
categories by Cramer's V without its bias (Bergsma 2013). p values are corrected by Holm's rule over all facts, and over
all labels where there are several. Where whole groups of items, such as patients, have one answer, groups are counted
and not items.
"""

from hashlib import blake2b

import numpy as np
import pandas as pd
from scipy.stats import MonteCarloMethod, chi2_contingency, kruskal, mannwhitneyu, rankdata, spearmanr
from scipy.stats.contingency import expected_freq

from xaae.experiment.seeds import generator
from xaae.experiment.statistics import holm
from xaae.experiment.tasks import UNKNOWN

FEWEST = 5  # items of a class, of which the fact is known, from which it is compared
MOST_P = 0.05  # after Holm's correction
GRADES = {"gives away": 0.8, "goes with": 0.3, "slight": 0.1}  # least strength; AUROC 0.9, 0.65, 0.55
ALARMS = ("gives away", "goes with")
MOST_CATEGORIES = 20  # the rarer ones are taken together
OTHERS, NONE = "(others)", "(none)"
TOO_VARIED = 0.5  # of the items: a fact with more different texts than that names items, and groups nothing
SMALL = 5  # expected counts below it are too few for the chi-square distribution: p is drawn then
DRAWS = 9999


def associate(facts, table, target, groups=None, seed=0):
    """(one dict a compared fact, the strongest first, {fact: why it was not compared}).

    facts (N rows): columns of numbers (NaN: unknown) and categories. table: label and the target's columns of the same
    items. target: a Target. groups (N,): counted in place of items where all items of each have one answer; blank for
    none. Each dict has fact, also (facts that part the items in the same way), measure, value, of (the class or label
    that it speaks of), strength from 0 to 1, p, p_holm, grade (a name in GRADES, or "no"), counted, n, shown {class:
    its typical value}.
    """
    answers = ANSWERS[target.task](table, target)
    columns, skipped = _comparable(facts)
    columns, answers, counted = _by_group(columns, answers, groups)
    varied = [name for name, column in columns.items() if _is_too_varied(column)]
    skipped |= {name: f"different in nearly every one of the {counted}" for name in varied}
    columns, also = _without_repeats({name: column for name, column in columns.items() if name not in varied})
    rng = generator(seed, "first look")
    measured = {name: _measure(column, answers, target.task, rng) for name, column in columns.items()}
    skipped |= {name: f"known of fewer than {FEWEST} {counted} of a class" for name in measured if not measured[name]}
    rows = [{"fact": name, "also": also[name], "counted": counted} | row for name in measured for row in measured[name]]
    corrected = holm([row["p"] for row in rows])
    rows = [row | {"p_holm": float(p), "grade": _grade(row, p)} for row, p in zip(rows, corrected, strict=True)]
    rows.sort(key=lambda row: (_order_of(row["grade"]), -row["strength"]))
    strongest = {}
    for row in rows:
        strongest.setdefault(row["fact"], row)
    return sorted(strongest.values(), key=lambda row: (row["grade"] == "no", -row["strength"])), skipped


def _grade(row, p):
    """How strongly a fact goes with the target, beyond chance."""
    return next((name for name, least in GRADES.items() if row["strength"] >= least and p <= MOST_P), "no")


def _order_of(grade):
    """The place of a grade, the strongest first."""
    return list(GRADES).index(grade) if grade in GRADES else len(GRADES)


# ---- what is compared -------------------------------------------------------------------------------------------


def _class_answers(table, target):
    return {"": table.label.astype(str).to_numpy()}


def _severity_answers(table, target):
    return {target.columns[0]: table[target.columns[0]].to_numpy(float)}


def _label_answers(table, target):
    """{label: "present", "absent" or UNKNOWN (N,)}."""
    known = {0.0: "absent", 1.0: "present"}
    return {name: table[name].map(known).fillna(UNKNOWN).to_numpy(object) for name in target.columns}


ANSWERS = {"classes": _class_answers, "severity": _severity_answers, "labels": _label_answers}  # task -> {name: (N,)}


def _comparable(facts):
    """({fact: column}, {fact: why not}): facts that differ, then whether they are given, where some items have none."""
    columns, given, skipped = {}, {}, {}
    for name, column in facts.items():
        known = column.notna()
        if known.any() and not known.all():
            given[f"{name} given"] = known.map({True: "yes", False: "no"})
        values = column[known].nunique()
        if not pd.api.types.is_numeric_dtype(column):
            column = column.astype(object).where(known, NONE)
            given.pop(f"{name} given", None)  # its categories say that already
            values += not known.all()
        if values < 2:
            skipped[name] = f"{_as_text(column[known].iloc[0])} in all items" if known.any() else "known of no item"
        else:
            columns[name] = column
    return columns | given, skipped  # of facts that part the items alike the first is told: what can be seen


def _is_too_varied(column):
    """Does a category name nearly every item, or group, so that it groups nothing?"""
    return not pd.api.types.is_numeric_dtype(column) and column.nunique() > TOO_VARIED * len(column)


def _as_text(value):
    return f"{value:g}" if isinstance(value, (float, np.floating)) else str(value)


def _without_repeats(columns):
    """({fact: column}, {fact: facts that no measure could tell from it}); the first of them is kept."""
    first, kept, also = {}, {}, {}
    for name, column in columns.items():
        key = blake2b(_ranks_or_parts(column)).digest()
        if key in first:
            also[first[key]].append(name)
        else:
            first[key], kept[name], also[name] = name, column, []
    return kept, also


def _ranks_or_parts(column):
    """What a measure sees of a column, as bytes: the order of numbers, up or down, or how categories part the items.

    Numbers of two values part the items too.
    """
    ordered = pd.api.types.is_numeric_dtype(column) and column.nunique() > 2
    codes = pd.factorize(column, sort=ordered)[0]
    turned = np.where(codes < 0, codes, codes.max() - codes)  # below 0: not known
    return min(codes.tobytes(), turned.tobytes()) if ordered else codes.tobytes()


def _by_group(columns, answers, groups):
    """(columns, answers, "items"), or those of groups, "groups", where each group has the same answer throughout."""
    if groups is None or (groups == "").any() or not 1 < groups.nunique() < len(groups):
        return columns, answers, "items"
    codes = pd.factorize(groups)[0]
    first = np.unique(codes, return_index=True)[1]
    if any((values[first][codes] != values).any() for values in answers.values()):
        return columns, answers, "items"
    columns = {name: _typical_of_groups(column, codes) for name, column in columns.items()}
    return columns, {name: values[first] for name, values in answers.items()}, "groups"


def _typical_of_groups(column, codes):
    """Median, or most frequent category, of each group in the order of its code."""
    if pd.api.types.is_numeric_dtype(column):
        return column.reset_index(drop=True).groupby(codes).median()
    pairs = pd.DataFrame({"group": codes, "category": column.to_numpy()})
    counts = pairs.groupby(["group", "category"]).size()
    frequent = counts.sort_values(ascending=False, kind="stable").index.to_frame(index=False)
    return frequent.drop_duplicates("group").set_index("group").category.sort_index()


# ---- how it is compared -----------------------------------------------------------------------------------------


def _measure(column, answers, task, rng):
    """How a fact goes with each answer, a dict each; none of an answer that is known of too few."""
    number = pd.api.types.is_numeric_dtype(column)
    measure = MEASURES[task][0 if number else 1]
    rows = []
    for name, values in answers.items():
        known = column.notna().to_numpy() & np.array([value != UNKNOWN for value in values])
        if row := measure(column[known], values[known], rng):
            rows.append(row | {"of": name or row.get("of", "")})
    return rows


def _enough(labels):
    """Which items (N,) are of a class with enough of them; None if fewer than two classes are."""
    counts = pd.Series(labels).value_counts()
    kept = counts.index[counts >= FEWEST]
    return None if len(kept) < 2 else np.isin(labels, list(kept))


def class_aurocs(values, labels):
    """{class: AUROC of its values (above 0.5: they are higher than those of all others)}; values, labels (N,)."""
    ranks, names = rankdata(values), pd.unique(labels)
    n = len(values)
    sizes = {name: int((labels == name).sum()) for name in names}
    return {name: float((ranks[labels == name].sum() - m * (m + 1) / 2) / (m * (n - m))) for name, m in sizes.items()}


def _auroc_of_classes(column, labels, rng):
    """The class whose numbers differ most from those of all others; p by Mann-Whitney, or Kruskal-Wallis."""
    kept = _enough(labels)
    if kept is None:
        return None
    values, labels = column.to_numpy(float)[kept], labels[kept].astype(str)
    areas = class_aurocs(values, labels)
    best = max(areas, key=lambda name: (abs(areas[name] - 0.5), areas[name]))
    parts = [values[labels == name] for name in areas]
    same = np.ptp(values) == 0
    p = 1.0 if same else (mannwhitneyu(*parts) if len(parts) == 2 else kruskal(*parts)).pvalue
    shown = _typical_of_classes(dict(zip(areas, parts, strict=True)))
    area = max(areas[best], 1 - areas[best])
    return {"measure": "AUROC", "value": area, "strength": 2 * area - 1, "of": best, "p": float(p), "n": len(values),
            "shown": dict(sorted(shown.items()))}  # fmt: skip


def _typical_of_classes(parts):
    """{class: the median of its values, or where these are alike the mean, which tells what medians hide}."""
    with np.errstate(invalid="ignore"):  # of infinite values
        medians = {name: float(np.median(part)) for name, part in parts.items()}
        return (
            medians if len(set(medians.values())) > 1 else {name: float(np.mean(part)) for name, part in parts.items()}
        )


def cramers_v(counts):
    """Cramer's V of a table of counts (K, M), corrected for its bias (Bergsma 2013): 0 where all is independent."""
    counts = np.asarray(counts, float)
    n, (k, m) = counts.sum(), counts.shape
    expected = expected_freq(counts)
    phi = (np.square(counts - expected) / expected).sum() / n
    phi = max(0.0, phi - (k - 1) * (m - 1) / (n - 1))
    k, m = k - (k - 1) ** 2 / (n - 1), m - (m - 1) ** 2 / (n - 1)
    return float(np.sqrt(phi / max(min(k, m) - 1, 1e-12)).clip(0, 1))


def _v_of_classes(column, labels, rng):
    """How categories go with classes; p by chi-square, drawn where counts are small."""
    kept = _enough(labels)
    if kept is None:
        return None
    categories, labels = _frequent(column.astype(str)[kept]), labels[kept].astype(str)
    counts = pd.crosstab(labels, categories.to_numpy())
    if min(counts.shape) < 2:
        return None
    strength = cramers_v(counts)
    shares = counts.div(counts.sum(axis=1), axis=0)
    telling = (shares.max() - shares.min()).drop(OTHERS, errors="ignore").idxmax()
    shown = {name: float(share) for name, share in shares[telling].items()}
    return {"measure": "Cramer's V", "value": strength, "strength": strength, "p": _chi_square_p(counts, rng),
            "n": int(counts.to_numpy().sum()), "category": str(telling), "shown": shown}  # fmt: skip


def _frequent(column):
    """Categories, all but the most frequent ones taken together."""
    top = column.value_counts().index[:MOST_CATEGORIES]
    return column.where(column.isin(top), OTHERS)


def _chi_square_p(counts, rng):
    """p of independence, by the chi-square distribution or from random tables with the same margins."""
    few = expected_freq(counts).min() < SMALL
    method = MonteCarloMethod(n_resamples=DRAWS, batch=500, rng=rng) if few else None
    return float(chi2_contingency(counts, correction=False, method=method).pvalue)


def _spearman(column, values, rng):
    """How a number goes with a severity."""
    known = np.isfinite(values)
    if known.sum() < 2 * FEWEST or np.ptp(values[known]) == 0:
        return None
    numbers = column.to_numpy(float)[known]
    if np.ptp(numbers) == 0:
        return None
    r, p = spearmanr(numbers, values[known])
    return {"measure": "Spearman", "value": float(r), "strength": abs(float(r)), "p": float(p), "n": int(known.sum()),
            "shown": {}}  # fmt: skip


def _eta_of_categories(column, values, rng):
    """How far a severity differs between categories: the root of the share of its ranks' variance (Kruskal-Wallis)."""
    known = np.isfinite(values)
    values, categories = values[known], column.astype(str).to_numpy()[known]
    kept = _enough(categories)
    if kept is None:
        return None
    values, categories = values[kept], categories[kept]
    parts = [values[categories == name] for name in pd.unique(categories)]
    if len(parts) < 2 or np.ptp(values) == 0:
        return None
    h, p = kruskal(*parts)
    strength = float(np.sqrt(max(0.0, (h - len(parts) + 1) / (len(values) - len(parts)))))
    medians = {str(name): float(np.median(values[categories == name])) for name in pd.unique(categories)}
    ends = sorted(medians, key=medians.get)
    return {"measure": "eta", "value": strength, "strength": strength, "p": float(p), "n": len(values),
            "shown": {name: medians[name] for name in (ends[0], ends[-1])}}  # fmt: skip


MEASURES = {  # task -> what measures a column of numbers, what measures one of categories
    "classes": (_auroc_of_classes, _v_of_classes),
    "severity": (_spearman, _eta_of_categories),
    "labels": (_auroc_of_classes, _v_of_classes),
}
