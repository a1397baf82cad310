"""The health of the latent space in numbers and charts, and known columns along the main direction."""

import numpy as np
from markupsafe import Markup

from xaae.experiment.vocabulary import short_name
from xaae.report.run.walk_reading import quantities
from xaae.report.shared.charts import Axes, svg_element
from xaae.report.shared.words import column_name, fixed, p_in_words

MOST_ROWS, MOST_BARS, MOST_DIMENSIONS = 40, 14, 8
NAME = 22  # letters of a name that fits beside its bar
BAR = 20  # height of one bar with its name, in SVG units
DIGITS = {"effective_rank": 1, "participation_ratio": 1, "dead_share": 0, "normality_rejected_share": 0}  # else 3
SHARES = ("dead_share", "normality_rejected_share")  # shown as per cent
SIGNIFICANT = 0.05  # largest corrected p of a correlation that is shown in bold
MEASURES = (  # key, name, value, what is good
    (
        "sliced_wasserstein",
        "Distance to the prior (sliced Wasserstein)",
        "{sliced_wasserstein}",
        "a sample of this size drawn from the prior itself gives {sliced_wasserstein_expected}; codes far above that "
        "do not follow the prior",
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
        "near the number of dimensions, as above; the largest dimensions weigh more here",
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
        "share for which a test rejects normality, corrected for the number of tests; 0 is good",
    ),
)
DCI = {
    "disentanglement": "1: each dimension depends on one factor only",
    "completeness": "1: each factor is held by one dimension only",
    "informativeness": "1: every factor can be read from the code",
}
PROBES = (  # key, title, note
    ("probe_r2", "Linear probes of numbers", "R\u00b2 on held-out items; 1: read perfectly, 0: not at all"),
    (
        "probe_balanced_accuracy",
        "Linear probes of names",
        "balanced accuracy on held-out items; guessing among n names gives 1/n",
    ),
)


def health_section(summary: dict) -> dict | None:
    """A table of measures with what is good in each, the spectrum of the codes, and what linear probes can read."""
    health, noun = summary["health"], quantities(summary)[0].noun
    texts = {key: fixed(_as_percent(key, value), DIGITS.get(key, 3)) for key, value in health.items()}
    texts |= {"dimensions": fixed(health["dimensions"], 0), "henze_zirkler_p": p_in_words(health["henze_zirkler_p"])}
    rows = [(n, v.format(**texts), good.format(**texts)) for key, n, v, good in MEASURES if health[key] is not None]
    dci = health["dci"] or {}
    rows += [(name.capitalize(), fixed(dci[name], 2), good) for name, good in DCI.items() if dci.get(name) is not None]
    charts = [_spectrum(health), _dimensions(summary["dimensions"]), *_probes(health, noun)]
    charts = [chart for chart in charts if chart]
    return {"rows": rows, "charts": charts, "items": health["items"]} if rows or charts else None


def _as_percent(key: str, value):
    """A share as per cent, anything else as it is."""
    return 100 * value if key in SHARES and value is not None else value


def _spectrum(health: dict) -> dict | None:
    """The eigenvalues of the codes' covariance as a chart."""
    values = [value for value in health["eigenvalues"] or [] if value is not None]
    if not values:
        return None
    note = "variance along each axis of the codes; dotted line: the prior"
    return {"title": "Spectrum of the codes", "note": note, "svg": _spectrum_chart(values)}


def _spectrum_chart(eigenvalues, reference: float = 1.0) -> Markup:
    """Eigenvalues (D,) of the codes' covariance as bars, largest first, with the prior's value as a line."""
    values = np.asarray(eigenvalues, float)
    top = max(float(np.nanmax(values)), reference) * 1.1
    axes = Axes((0.5, len(values) + 0.5), (0, top), height=190, top=20)
    ticks = sorted({1, *np.linspace(1, len(values), min(5, len(values))).round().astype(int).tolist()})
    bars = axes.bars(np.arange(len(values) + 1) + 0.5, np.nan_to_num(values), "count")
    line = axes.line(axes.x, (reference, reference), "reference")
    alt = f"Eigenvalues of the covariance of the codes, {len(values)} of them, largest first"
    return axes.svg(axes.frame("dimension, by size", x_ticks=ticks), bars, line, alt=alt)


def _dimensions(dimensions: list[dict]) -> dict | None:
    """How well each of the most discriminant dimensions tells the classes apart on its own."""
    shown = dimensions[:MOST_DIMENSIONS]
    values = {f"dimension {d['dimension']}": d["auc"] for d in shown if d.get("auc") is not None}
    title, note = "Most discriminant dimensions", "AUC of each alone; 0.5: does not tell the classes apart, 1: always"
    return {"title": title, "note": note, "svg": _named_bars(values, title)} if values else None


def _probes(health: dict, noun: str) -> list[dict]:
    """How well linear probes read each known factor off the codes, numbers and names apart."""
    charts = []
    for key, title, note in PROBES:
        scores = {column_name(n, noun): v for n, v in (health[key] or {}).items() if v is not None}
        best = dict(sorted(scores.items(), key=lambda pair: -pair[1])[:MOST_BARS])
        if best:
            note += f"; the best {MOST_BARS}" if len(scores) > MOST_BARS else ""
            charts.append({"title": title, "note": note, "svg": _named_bars(best, f"{title}, highest first")})
    return charts


def _named_bars(values: dict[str, float], alt: str, width: int = 340) -> Markup:
    """Named values as horizontal bars on a scale from 0 to 1; a value below 0 has no bar, only its number."""
    name_width = min(150, 12 + 6.2 * max(map(len, values)))
    room, parts = width - name_width - 46, []
    for i, (name, value) in enumerate(values.items()):
        y, long = BAR * i + 4, room * float(np.clip(value, 0, 1))
        parts += [
            svg_element("text", short_name(name, NAME), x=name_width - 8, y=y + 11, text_anchor="end"),
            svg_element("line", class_="grid", x1=name_width, x2=name_width + room, y1=y + 14, y2=y + 14),
            svg_element("rect", class_="count", x=name_width, y=y + 2, width=max(0.5, long), height=11),
            svg_element("text", fixed(float(value), 2), x=name_width + room + 8, y=y + 11),
        ]
    return Axes((0, 1), (0, 1), width, BAR * len(values) + 8).svg(*parts, alt=alt)


def correlation_section(summary: dict) -> dict | None:
    """The columns that go with the position, strongest first, and how many were looked at; None if there is none.

    rows: the planted value, and what p speaks for even before it is corrected. left_out: the number of the others, the
    strongest of which is told where no column goes with the position. Columns that never vary do not count.
    """
    noun, blank = quantities(summary)[0].noun, dict.fromkeys(("items", "p", "p_holm"))
    known = [{**blank, **row} for row in summary["correlations"] if row.get("within_class_spearman") is not None]
    rows = [
        {
            **row,
            "name": column_name(row.get("factor"), noun),
            "beyond_chance": row["p_holm"] is not None and row["p_holm"] <= SIGNIFICANT,
        }
        for row in sorted(known, key=lambda row: -abs(row["within_class_spearman"]))
    ]
    telling = [row for row in rows if row["factor"] == "value" or row["p"] is None or row["p"] <= SIGNIFICANT]
    shown = telling[:MOST_ROWS]
    found = any(row["beyond_chance"] for row in rows)
    return {"rows": shown, "left_out": len(rows) - len(shown), "strongest": rows[0], "found": found} if rows else None
