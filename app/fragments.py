"""Numbers and items as fragments of HTML: everything is escaped, every picture is a data URI."""

from base64 import b64decode, b64encode
from functools import lru_cache
from html import escape
from io import BytesIO
from struct import unpack

from PIL import Image

from xaae.app.explorer import FLOOR, NEAREST, least_noticed
from xaae.experiment.kinds import kind_of
from xaae.experiment.run_folder import as_stored
from xaae.experiment.vocabulary import MODELS, PALETTE

UNIT_SIGNS = {  # what follows a number, where it is not the unit's own name
    "of full scale": "",
    "of full opacity": "",
    "degrees": "\u00b0",
    "% of the side": "\u202f%",
    "% of the range": "\u202f%",
    "% of the window": "\u202f%",
    "from -1 to 1": "",
    "%": "\u202f%",
    "octaves": " oct.",
    "% of full scale": "\u202f%",
    "of the steps inside of blocks": "",
}
SIZE_IN_PNG = 16, 32  # the byte at which width and height begin, and the letters in base64 of what ends with them
SPLIT_WORDS = {"train": "training", "valid": "held out"}


def item_pixels(x, drawing, beside=None):
    """An item x (C, *places) in [0, 1] as pixels (H, W) or (H, W, 3) uint8, as it is shown.

    drawing: that of the run's items, see `plots.Drawing`. beside: an item with which it is compared.
    """
    kind = kind_of((1, *x.shape))
    picture = as_stored(x, kind)
    shown = drawing.items(picture) if beside is None else drawing.beside(picture, as_stored(beside, kind))
    return shown[..., 0] if shown.shape[-1] == 1 else shown


def item_uri(x, drawing, beside=None):
    """An item x (C, *places) in [0, 1] as an address that holds its picture; drawing and beside as of `item_pixels`."""
    file = BytesIO()
    Image.fromarray(item_pixels(x, drawing, beside)).save(file, "PNG", compress_level=1)
    return png_uri(file.getvalue())


def png_uri(png):
    """The bytes of a PNG file as an address that holds them."""
    return "data:image/png;base64," + b64encode(png).decode()


def head(title, lines):
    """The page's title and the lines below it."""
    return f"<h1>{escape(title)}</h1>" + "".join(map(paragraph, lines))


def paragraph(text):
    """One paragraph."""
    return f"<p>{escape(text)}</p>"


def note(text):
    """What went wrong; "" shows nothing."""
    return f'<p role="alert">{escape(text)}</p>' if text else ""


class PageStage:
    """Writes the part of the page that follows the sliders, for one Explorer."""

    def __init__(self, explorer):
        self.explorer = explorer
        self._small_image = lru_cache(2048)(lambda row: self._image(explorer.items([row])[0]))

    def write(self, home, amounts):
        """Everything that changes when Home's code is moved by `amounts`: frame, words, bars and neighbours."""
        explorer, view = self.explorer, self.explorer.view(home, amounts)
        now = picture_figure(self._image(view.frame, home.frame), f"Decoded now, starting from {home.name}", "now")
        beside = picture_figure(self._image(home.x), "Input")
        beside += picture_figure(self._image(home.frame), "Reconstruction")
        parts = [
            (f"The {explorer.kind.name}", paragraph(_sentence(view.words))),
            (f"The {MODELS['aae']} says", class_bars(explorer.classes, view.probability, home.probability)),
            *((f"The {who} says", class_bars(explorer.classes, p, home.led[who])) for who, p in view.led.items()),
            ("The discriminator", f"<p>{_acceptance(view, explorer.floor)}</p>"),
        ]
        facts = "".join(f"<section><h2>{escape(title)}</h2>{body}</section>" for title, body in parts)
        meters = f"<h2>Meters, change since the reconstruction</h2>{self._readings(view.changes)}"
        near = f"<h2>The {NEAREST} nearest real {explorer.kind.plural}</h2><div>{self._neighbours(view)}</div>"
        rest = "".join(f'<section class="near">{part}</section>' for part in (meters, near))
        return f'<div class="pictures">{now}<div>{beside}</div></div><div class="facts">{facts}</div>{rest}'

    def _image(self, x, beside=None):
        """An item x (C, *places) in [0, 1] as a PNG data URI, beside another with which it is compared."""
        return item_uri(x, self.explorer.drawing, beside)

    def _readings(self, changes):
        """How far every meter is from its reading of the reconstruction; noticeable changes stand out."""
        rows = "".join(_reading(self.explorer.meters[name], change) for name, change in changes.items())
        return f'<dl class="meters">{rows}</dl>'

    def _neighbours(self, view):
        """The nearest real items, small."""
        pairs = zip(view.nearest.tolist(), view.distance, strict=True)
        return "".join(self._neighbour(row, distance) for row, distance in pairs)

    def _neighbour(self, row, distance):
        """One real item with its class, split and distance."""
        label, split = self.explorer.labels[row], self.explorer.splits[row]
        about = escape(f"{label}, {SPLIT_WORDS.get(split, split)}")
        caption = f"{about}<br>row {row}<br>{distance:.1f} away"
        image = _image_tag(self._small_image(row), f"{about}, row {row}")
        return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"


def picture_figure(uri, title, kind=""):
    """One picture with its caption below."""
    text = escape(title)
    return f'<figure class="{kind}">{_image_tag(uri, text)}<figcaption>{text}</figcaption></figure>'


def _image_tag(uri, alt):
    """A PNG data URI as an image whose size is known before it is decoded, so that nothing on the page jumps."""
    width, height = unpack(">II", b64decode(uri.partition(",")[2][: SIZE_IN_PNG[1]])[SIZE_IN_PNG[0] :])
    return f'<img src="{uri}" width="{width}" height="{height}" alt="{alt}">'


def _sentence(words):
    """What has changed since the reconstruction, in a sentence."""
    if not words:
        return "No change that the meters notice."
    *start, last = words
    return f"Compared with the reconstruction it {', '.join(start) + ' and ' * bool(start)}{last}."


def _reading(meter, change):
    """One meter's name and its change."""
    value = f"{change:+.{meter.digits}f}".replace("-", "\u2212")
    value = value if float(f"{change:.{meter.digits}f}") else f"{0:.{meter.digits}f}"  # neither +0 nor -0
    unit = UNIT_SIGNS.get(meter.unit, f" {escape(meter.unit)}")
    css = ' class="large"' if abs(change) >= least_noticed(meter) else ""
    return f"<div{css}><dt>{escape(meter.name.replace('_', ' '))}</dt><dd>{value}{unit}</dd></div>"


def class_bars(classes, probability, home):
    """The probability (K,) of each class as a bar, with a mark where that of the start, `home` (K,), was."""
    rows = zip(classes, probability, home, strict=True)
    return f'<table class="bars">{"".join(_bar(k, *row) for k, row in enumerate(rows))}</table>'


def _bar(k, name, probability, home):
    """The row of the k-th class in a table of bars."""
    title, fill, mark = escape(name), f"width:{100 * probability:.1f}%", f"left:{100 * home:.1f}%"
    bar = f'<td class="bar k{k % len(PALETTE)}"><i style="{fill}"></i><b style="{mark}"></b></td>'
    return f'<tr><th scope="row" title="{title}">{title}</th>{bar}<td>{probability:.2f}</td></tr>'


def _acceptance(view, floor):
    """Whether the discriminator accepts the code, in a sentence or two."""
    if view.accepted is None:
        return "This run's discriminator does not judge single codes."
    score, lowest = (f"{value:.2f}".replace("-", "\u2212") for value in (view.score, floor))
    limit = f"score {score}; {FLOOR} % of the training codes score below {lowest}"
    if view.accepted:
        return f"Accepts this code ({limit})."
    return f"<strong>Refuses this code</strong> ({limit}). The decoder has hardly seen such codes: trust it less."
