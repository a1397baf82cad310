"""Numbers and pictures as fragments of HTML: everything is escaped, every picture is a data URI."""

from base64 import b64encode
from functools import lru_cache
from html import escape
from io import BytesIO

from PIL import Image

from xaae.app.explorer import FLOOR, NEAREST, NOTICEABLE, to_pixels
from xaae.factors.meters import METERS

UNITS = {"of full scale": "", "degrees": "\u00b0", "% of the side": "\u202f%", "%": "\u202f%", "octaves": " oct."}
SPLITS = {"train": "training", "valid": "held out"}


def data_uri(png):
    """Bytes of a PNG file as an address that holds them."""
    return "data:image/png;base64," + b64encode(png).decode()


def _encode(x):
    """A picture x (C, H, W) in [0, 1] as a PNG data URI."""
    shown, file = to_pixels(x), BytesIO()
    Image.fromarray(shown[..., 0] if shown.shape[-1] == 1 else shown).save(file, "PNG", compress_level=1)
    return data_uri(file.getvalue())


def _figure(uri, title, kind=""):
    """One picture with its caption below."""
    text = escape(title)
    return f'<figure class="{kind}"><img src="{uri}" alt="{text}"><figcaption>{text}</figcaption></figure>'


def head(title, lines):
    """The page's title and the lines below it."""
    return f"<h1>{escape(title)}</h1>" + "".join(map(paragraph, lines))


def paragraph(text):
    """One paragraph."""
    return f"<p>{escape(text)}</p>"


def note(text):
    """What went wrong, or nothing at all."""
    return f'<p role="alert">{escape(text)}</p>' if text else ""


def _said(words):
    """The picture against the reconstruction, in a sentence."""
    if not words:
        return "Nothing has changed that the meters notice."
    *start, last = words
    return f"Against the reconstruction it {', '.join(start) + ' and ' * bool(start)}{last}."


def _readings(changes):
    """How far every meter is from its reading of the reconstruction, in its unit; those worth a word stand out."""
    rows = "".join(_reading(METERS[name], change) for name, change in changes.items())
    return f'<dl class="meters">{rows}</dl>'


def _reading(meter, change):
    """One meter's name and how far it is from home."""
    value = f"{change:+.{meter.digits}f}".replace("-", "\u2212")
    value = value if float(f"{change:.{meter.digits}f}") else f"{0:.{meter.digits}f}"  # neither +0 nor -0
    unit = UNITS.get(meter.unit, f" {escape(meter.unit)}")
    kind = ' class="large"' if abs(change) >= NOTICEABLE.get(meter.name, float("inf")) else ""
    return f"<div{kind}><dt>{escape(meter.name.replace('_', ' '))}</dt><dd>{value}{unit}</dd></div>"


def _bars(classes, probability, home):
    """The probability (K,) of each class as a bar, with a mark where the reconstruction's `home` (K,) was."""
    rows = zip(classes, probability, home, strict=True)
    return f'<table class="bars">{"".join(_bar(k, *row) for k, row in enumerate(rows))}</table>'


def _bar(k, name, probability, home):
    """The row of the k-th class in a table of bars."""
    title, fill, mark = escape(name), f"width:{100 * probability:.1f}%", f"left:{100 * home:.1f}%"
    drawn = f'<td class="bar k{k % 6}"><i style="{fill}"></i><b style="{mark}"></b></td>'
    return f'<tr><th scope="row" title="{title}">{title}</th>{drawn}<td>{probability:.2f}</td></tr>'


def _verdict(view, floor):
    """Whether the discriminator accepts the code, in a sentence."""
    if view.accepted is None:
        return "This run's discriminator does not judge single codes."
    limit = f"score {view.score:.2f}; {FLOOR} % of the training codes lie below {floor:.2f}"
    if view.accepted:
        return f"Accepts this code ({limit})."
    return f"<strong>Refuses this code</strong> ({limit}). The decoder has hardly met such codes: trust it less."


class PageStage:
    """Writes the part of the page that follows the sliders, for one Explorer."""

    def __init__(self, explorer):
        self.explorer = explorer
        self.thumb = lru_cache(2048)(lambda row: _encode(explorer.picture([row])[0]))

    def near(self, view):
        """The nearest real items as small pictures."""
        found = zip(view.nearest.tolist(), view.distance, strict=True)
        return "".join(self.small(row, distance) for row, distance in found)

    def small(self, row, distance):
        """One real item with its class, split and distance."""
        e = self.explorer
        about = f"{e.labels[row]}, {SPLITS.get(e.splits[row], e.splits[row])}"
        text = f"{escape(about)}<br>row {row}, at {distance:.1f}"
        alt = escape(f"{about}, row {row}")
        return f'<figure><img src="{self.thumb(row)}" alt="{alt}"><figcaption>{text}</figcaption></figure>'

    def write(self, home, amounts):
        """Everything that changes when Home's code is moved by `amounts`: pictures, words, bars and neighbours."""
        view = self.explorer.view(home, amounts)
        beside = _figure(_encode(home.x), "Input") + _figure(_encode(home.frame), "Reconstruction")
        now = _figure(_encode(view.frame), f"Decoded now, starting from {home.name}", "now")
        parts = [
            ("The picture", paragraph(_said(view.words))),
            ("The model", _bars(self.explorer.classes, view.probability, home.probability)),
            ("The discriminator", f"<p>{_verdict(view, self.explorer.floor)}</p>"),
        ]
        facts = "".join(f"<section><h2>{title}</h2>{body}</section>" for title, body in parts)
        meters = f'<section class="near"><h2>Meters, against the reconstruction</h2>{_readings(view.changes)}</section>'
        near = f"<h2>The {NEAREST} nearest real pictures</h2><div>{self.near(view)}</div>"
        shown = f'<div class="pictures">{now}<div>{beside}</div></div>'
        return f'{shown}<div class="facts">{facts}</div>{meters}<section class="near">{near}</section>'
