"""What the page says about the health of the latent space, and about known columns along the main direction."""

from xaae.report.run import code_figures as figures
from xaae.report.run.conclusions import quantities
from xaae.report.shared.words import column_name, fixed

MOST_ROWS, MOST_BARS, MOST_SINGLE = 40, 14, 8
DIGITS = {"effective_rank": 1, "participation_ratio": 1, "dead_share": 0, "normality_rejected_share": 0}  # else 3
SHARES = ("dead_share", "normality_rejected_share")
MEASURES = (  # key, name, value, what is good
    (
        "sliced_wasserstein",
        "Distance to the prior (sliced Wasserstein)",
        "{sliced_wasserstein}",
        "a true sample of this size would give {sliced_wasserstein_expected}; much above that, the codes have left "
        "the prior",
    ),
    (
        "effective_rank",
        "Effective rank",
        "{effective_rank} of {dimensions}",
        "near the number of dimensions: all are used evenly",
    ),
    (
        "participation_ratio",
        "Participation ratio",
        "{participation_ratio} of {dimensions}",
        "the same question, with more weight on the largest dimensions",
    ),
    ("dead_share", "Dead dimensions", "{dead_share}\u202f%", "share that hardly varies; 0 is good"),
    (
        "henze_zirkler_p",
        "Joint normality (Henze and Zirkler), p",
        "{henze_zirkler_p}",
        "below 0.05: not jointly normal; with many items small departures are enough",
    ),
    (
        "normality_rejected_share",
        "Dimensions that are not normal",
        "{normality_rejected_share}\u202f%",
        "share rejected one by one, corrected for their number; 0 is good",
    ),
)
DCI = {
    "disentanglement": "1: each dimension tells of one factor only",
    "completeness": "1: each factor sits in one dimension only",
    "informativeness": "1: every factor can be read off the code",
}


def health(summary: dict) -> dict | None:
    """A table of measures with what is good in each, the spectrum of the codes, and what linear probes can read."""
    found = summary["health"]
    told = {key: fixed(_percent(key, value), DIGITS.get(key, 3)) for key, value in found.items()}
    told["dimensions"] = fixed(found["dimensions"], 0)
    rows = [(n, v.format(**told), good.format(**told)) for key, n, v, good in MEASURES if found[key] is not None]
    dci, noun = found["dci"] or {}, quantities(summary)[0].noun
    rows += [(name.capitalize(), fixed(dci[name], 2), good) for name, good in DCI.items() if dci.get(name) is not None]
    charts = [chart for chart in (_spectrum(found), _single(summary["dimensions"]), *_probes(found, noun)) if chart]
    return {"rows": rows, "charts": charts, "items": found["items"]} if rows or charts else None


def _percent(key: str, value):
    """A share as per cent, anything else as it is."""
    return 100 * value if key in SHARES and value is not None else value


def _spectrum(found: dict) -> dict | None:
    """The eigenvalues of the codes' covariance as a chart."""
    values = [value for value in found["eigenvalues"] or [] if value is not None]
    if not values:
        return None
    note = "variance along each axis of the codes; the dotted line is the prior's"
    return {"title": "Spectrum of the codes", "note": note, "svg": figures.spectrum_figure(values)}


def _single(dimensions: list[dict]) -> dict | None:
    """How well each of the most discriminant dimensions tells the classes apart on its own."""
    values = {f"dimension {d['dimension']}": d["auc"] for d in dimensions[:MOST_SINGLE] if d.get("auc") is not None}
    note = "area under the curve on its own; 0.5: it cannot tell the classes apart, 1: it always does"
    title = "Most discriminant dimensions"
    return {"title": title, "note": note, "svg": figures.shares(values, title)} if values else None


def _probes(found: dict, noun: str) -> list[dict]:
    """How well linear probes read each known factor off the codes, numbers and names apart."""
    kinds = (
        ("probe_r2", "Linear probes of numbers", "R\u00b2 on held-out items; 1: all of it can be read off, 0: nothing"),
        (
            "probe_balanced_accuracy",
            "Linear probes of names",
            "balanced accuracy on held-out items; guessing gives one over the number of names",
        ),
    )
    charts = []
    for key, title, note in kinds:
        known = sorted(
            ((v, column_name(n, noun)) for n, v in (found[key] or {}).items() if v is not None), reverse=True
        )
        values = {name: value for value, name in known[:MOST_BARS]}
        if values:
            note += f"; the {MOST_BARS} that are read best" if len(known) > MOST_BARS else ""
            charts.append({"title": title, "note": note, "svg": figures.shares(values, f"{title}, strongest first")})
    return charts


def correlation_section(summary: dict) -> list[dict]:
    """The strongest rows of the correlations, those beyond chance marked."""
    noun, blank = quantities(summary)[0].noun, dict.fromkeys(("items", "p", "p_holm"))
    rows = [{**blank, **row} for row in summary["correlations"] if row.get("within_class_spearman") is not None]
    return [
        {
            **row,
            "name": column_name(row.get("factor"), noun),
            "beyond": (1 if row["p_holm"] is None else row["p_holm"]) <= 0.05,
        }
        for row in rows[:MOST_ROWS]
    ]
