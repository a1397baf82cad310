"""A changed item as fragments of HTML: the pictures, each model's answer, the meters, and the curve of one slider."""

import shlex
from html import escape

from xaae.app.explorer import least_noticed
from xaae.app.fragments import UNIT_SIGNS, class_bars, item_uri, paragraph, picture_figure
from xaae.experiment.kinds import PICTURE
from xaae.experiment.vocabulary import models_of

HELP = (
    "Each slider changes one thing in the {kind} itself, without any decoder; several may be moved at once. Bars: the "
    "probability of each class; the mark on a bar: that of the unchanged {kind}."
)
SCANNED = "Below each slider's name: what the scan of this run says of each model."
UNSCANNED = "This run has not been scanned. To see below each slider whether the models use it, first run"
LINES = ("solid", "dashed", "dotted")  # of the models in a curve


def introduction(kind, verdicts, folder):
    """What the part is for, and what the verdicts are or how to get them. folder: of the run."""
    command = f"<code>{escape(f'python main.py scan {shlex.quote(str(folder))}')}</code>"
    about = paragraph(SCANNED) if verdicts else f'<p class="unscanned">{UNSCANNED} {command}.</p>'
    title = f"<h2>Change one thing in the real {escape(kind.name)}</h2>"
    return f"{title}{paragraph(HELP.format(kind=kind.name))}{about}"


def slider_label(slider):
    """What a FactorSlider is called, on the page and by a screen reader."""
    noun, sign = slider.about.noun, slider.about.sign.strip()
    return noun[0].upper() + noun[1:] + f" ({sign})" * bool(sign) + ", planted" * slider.planted


def verdict_words(verdicts, kind=PICTURE):
    """The verdicts {model: verdict} on one factor of items of a Kind in words; None if there are none."""
    if len(verdicts) == 2 and len(set(verdicts.values())) == 1:
        return f"Both models: {next(iter(verdicts.values()))}"
    return " \u00b7 ".join(f"{models_of(kind)[name]}: {verdict}" for name, verdict in verdicts.items()) or None


class ChangedStage:
    """Writes the parts of the page that follow the factors' sliders, for ChangedItems."""

    def __init__(self, changes):
        self.changes, self.titles = changes, models_of(changes.kind)

    def look(self, original, view):
        """The item as it is and as changed, and the answer of every model beside those to the unchanged item."""
        drawing = self.changes.drawing
        changed = item_uri(view.x, drawing, original.x)
        pictures = picture_figure(changed, f"Changed: {self._said(view.moved)}", "changed")
        pictures = picture_figure(item_uri(original.x, drawing), f"As it is: {original.name}", "original") + pictures
        answers = "".join(self._answer(name, p, original.answers[name]) for name, p in view.answers.items())
        return f'<div class="pair">{pictures}</div><div class="answers">{answers}</div>'

    def _said(self, moved):
        """{factor: value} in words."""
        said = [f"{s.about.noun} {s.say(moved[s.factor])}" for s in self.changes.sliders if s.factor in moved]
        return ", ".join(said) or "nothing yet"

    def _answer(self, name, probability, before):
        """One model's answer (K,) to the changed item, that to the unchanged one marked, and the decision in words."""
        classes = self.changes.classes
        now, then = (escape(classes[p.argmax()]) for p in (probability, before))
        same, other = f"Decides {now}, as before.", f"<strong>Decides {now}</strong>; {then} before."
        words = f"<p>{same if probability.argmax() == before.argmax() else other}</p>"
        title, bars = escape(self.titles[name]), class_bars(classes, probability, before)
        return f"<section><h3>{title}</h3>{bars}{words}</section>"

    def readings(self, original, view):
        """What the meters of the factors read of the changed item, beside their readings of the unchanged one."""
        rows = "".join(
            _reading_pair(meter, original.readings[name], view.readings[name])
            for name, meter in self.changes.meters.items()
        )
        return f'<h3>Meters, of the {self.changes.kind.name} as changed</h3><dl class="meters">{rows}</dl>'

    def curve(self, curve):
        """A FactorCurve: the probability of the last class of every model, with the present value marked."""
        slider, last, words = curve.slider, escape(self.changes.classes[-1]), escape(self._curve_in_words(curve))
        styles = dict(zip(curve.probability, LINES, strict=False))
        plot = f'<div class="plot" role="img" aria-label="{words}">{_plot(curve, styles)}</div>'
        ends = "".join(f"<span>{slider.say(end)}</span>" for end in (slider.low, slider.high))
        axes = f'<div class="axes">{SCALE}{plot}<div class="ends" aria-hidden="true">{ends}</div></div>'
        key = "".join(_key(self.titles[name], style, curve.now[name]) for name, style in styles.items())
        title = f"<h3>Probability of {last} as the {escape(slider.about.noun)} goes through its range</h3>"
        return f'{title}{axes}<p class="key"><span>{_present(curve)}</span>{key}</p>'

    def _curve_in_words(self, curve):
        """The curve for those who do not see it."""
        say, last = curve.slider.say, self.changes.classes[-1]
        return "; ".join(
            f"{self.titles[name]}: probability of {last} "
            + ", ".join(f"{v:.2f} at {say(at)}" for at, v in zip(curve.values, p, strict=True))
            for name, p in curve.probability.items()
        )


HALF = '<line class="half" x1="0" x2="100" y1="50" y2="50"/>'
SCALE = '<div class="scale" aria-hidden="true"><span>1</span><span>0</span></div>'


def _plot(curve, styles):
    """The lines of a FactorCurve in styles {model: CSS class}, and a dot on each at the present value."""
    place = _places(curve.slider)
    x = place(curve.present)
    lines = HALF + _upright_line("was", place(curve.start)) + _upright_line("here", x)
    lines += "".join(_line(curve, name, style, place) for name, style in styles.items())
    dots = "".join(f'<b style="left:{x:.1f}%;top:{100 - 100 * curve.now[name]:.1f}%"></b>' for name in styles)
    return f'<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">{lines}</svg>{dots}'


def _upright_line(css, x):
    """A line from bottom to top at x, 0 to 100."""
    return f'<line class="{css}" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="100"/>'


def _key(title, style, probability):
    """A model's line and its present probability."""
    return f'<span><i class="{style}"></i>{escape(title)} {probability:.2f}</span>'


def _present(curve):
    """The slider's present value, and that of the item as it is."""
    now, then = curve.slider.say(curve.present), curve.slider.say(curve.start)
    return f"At {now}, as it is" if now == then else f"At {now} (as it is: {then})"


def _places(slider):
    """value -> where it is along a slider: 0 to 100."""
    return lambda value: 100 * (value - slider.low) / (slider.high - slider.low)


def _line(curve, name, style, place):
    """The line of one model, through the present value too."""
    points = sorted([*zip(curve.values, curve.probability[name], strict=True), (curve.present, curve.now[name])])
    through = " ".join(f"{place(value):.1f},{100 - 100 * p:.1f}" for value, p in points)
    return f'<polyline class="{style}" points="{through}"/>'


def _reading_pair(meter, before, now):
    """A meter's name and its readings of the item as it is and as changed, one if they are told alike."""
    old, new = (_number(value, meter.digits) for value in (before, now))
    told = new if old == new else f"{old} \u2192 {new}"
    unit = UNIT_SIGNS.get(meter.unit, f" {escape(meter.unit)}")
    css = ' class="large"' if abs(now - before) >= least_noticed(meter) else ""
    return f"<div{css}><dt>{escape(meter.name.replace('_', ' '))}</dt><dd>{told}{unit}</dd></div>"


def _number(value, digits):
    """A number with so many digits after the point, and never as minus zero."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "\u2212")
