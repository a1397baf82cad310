"""Real items with factors changed by sliders, and what each classifier answers to them. It knows of no page.

The factor that the run plants goes through the run's Bias and takes the place of the planted value; the others are
planted before it, as in a scan (see `scan.factor_scan.ScanItems`), in the registry's order.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch

from xaae.experiment.kinds import PICTURE, Kind
from xaae.factors.bias import Bias
from xaae.factors.measuring import TURN, measure_all
from xaae.factors.meters import meter_named
from xaae.factors.registry import FACTORS, factors_for
from xaae.latent_nav.plots import DRAWINGS, Drawing

POINTS = 9  # of a curve, as many as the values of a scan
FILL = "reflect"  # of places that a factor leaves empty, as in a scan; the planted one leaves them to the Bias


@dataclass(frozen=True)
class FactorSlider:
    """A slider that sets a factor. factor: its name. low, high: its ends, in the factor's unit. planted: by the run?"""

    factor: str
    low: float
    high: float
    planted: bool = False

    @property
    def about(self):
        """The Factor."""
        return FACTORS[self.factor]

    @property
    def step(self):
        """The smallest step: one of the last digit that the factor is told with."""
        return 10.0**-self.about.digits

    def place(self, value):
        """Where the slider stands for a value: rounded to its step."""
        return round(float(value), self.about.digits) + 0.0

    def say(self, value):
        """A value in words, such as "37°"."""
        return f"{self.place(value):.{self.about.digits}f}".replace("-", "\u2212") + self.about.sign


@dataclass(frozen=True)
class OriginalItem:
    """An item as it is, which the sliders change.

    upright (C, *places): nothing planted. starts (S,): the values of all sliders that give x (C, *places), the item as
    it is. answers {model: probability (K,)} to x. readings {meter: float} of x. name: what it is called.
    """

    upright: torch.Tensor
    starts: np.ndarray
    x: torch.Tensor
    answers: dict
    readings: dict
    name: str


@dataclass(frozen=True)
class ChangedItem:
    """An item as the sliders change it: x (C, *places), its answers and readings as in OriginalItem.

    moved {factor: value}: of the sliders that were moved.
    """

    x: torch.Tensor
    answers: dict
    readings: dict
    moved: dict


@dataclass(frozen=True)
class FactorCurve:
    """What the answers are over the whole range of one slider, the others as they stand.

    values (V,): of the slider. probability {model: (V,)}: of the last class. present, now {model: float}: the slider's
    present value, and the probability there. start: the value of the item as it is.
    """

    slider: FactorSlider
    values: np.ndarray
    probability: dict
    present: float
    now: dict
    start: float


@dataclass(frozen=True)
class ChangedItems:
    """A run's items, ready to be changed.

    answers {model: x (B, C, *places) -> probabilities (B, K)}. classes: names in the order of the logits. kind,
    channels: of the items. upright(rows): those items (B, C, *places), nothing planted. values (N,): the table's
    planted ones. bias: how they are planted. drawing: how they are drawn.
    """

    answers: dict[str, Callable]
    classes: list
    kind: Kind
    channels: int
    upright: Callable
    values: np.ndarray
    bias: Bias
    drawing: Drawing = field(default_factory=lambda: DRAWINGS[PICTURE.name](None))

    @property
    def planted(self):
        """Name of the factor that the run plants, "" if it plants none."""
        return "" if self.bias.arm == "normal" else self.bias.factor

    @cached_property
    def sliders(self):
        """A FactorSlider for each factor that the items can be given, in the registry's order."""
        return [self._slider(FACTORS[name]) for name in factors_for(self.kind, self.channels)]

    def _slider(self, factor):
        """The slider from the low to the high end of a factor's range, with the neutral and all planted values."""
        planted = factor.name == self.planted
        ends = [*factor.whole, factor.neutral, *(self.bias.whole() if planted else ())]
        grain = 10.0**factor.digits
        low, high = np.floor(min(ends) * grain + 1e-6) / grain, np.ceil(max(ends) * grain - 1e-6) / grain
        return FactorSlider(factor.name, round(float(low), 6), round(float(high), 6), planted)

    @cached_property
    def meters(self):
        """The meters of the factors that read single items: {name: Meter}."""
        meters = [meter_named(slider.about.meter, self.kind, self.bias.rate) for slider in self.sliders]
        return {m.name: m for m in meters if not m.relative and m.unit != TURN}

    # ---- where it starts --------------------------------------------------------------------------------------

    def start(self, row, name):
        """The OriginalItem of a table row, with the value that it was planted with."""
        return self._original(self.upright(np.array([row]))[0], float(self.values[row]), name)

    def start_from(self, x, name):
        """The OriginalItem of any item x (C, *places) in [0, 1]; the run's factor is at its neutral value."""
        return self._original(torch.as_tensor(x), FACTORS[self.bias.factor].neutral, name)

    def _original(self, upright, value, name):
        """The OriginalItem with the run's factor at `value`."""
        starts = np.array([value if slider.planted else slider.about.neutral for slider in self.sliders])
        x = self.bias.plant(upright[None], torch.tensor([value], dtype=torch.float32))[0]
        return OriginalItem(upright, starts, x, self._ask(x), self._read(x), name)

    # ---- what the sliders do ------------------------------------------------------------------------------------

    def view(self, original, amounts):
        """The ChangedItem of an OriginalItem with the sliders at `amounts` (S,); None for one counts as its start."""
        moved = self._moved(original, amounts)
        if not moved:
            return ChangedItem(original.x, original.answers, original.readings, moved)
        x = self._change(original, {name: np.array([value]) for name, value in moved.items()}, 1)[0]
        return ChangedItem(x, self._ask(x), self._read(x), moved)

    def curve(self, original, amounts, i):
        """The FactorCurve of the i-th slider, the others at `amounts` (S,)."""
        slider, moved = self.sliders[i], self._moved(original, amounts)
        present = moved.get(slider.factor, float(original.starts[i]))
        values = np.append(np.linspace(slider.low, slider.high, POINTS), present)
        all_values = {name: np.full(len(values), value) for name, value in moved.items()} | {slider.factor: values}
        x = self._change(original, all_values, len(values))
        p = {name: answer(x)[:, -1].numpy() for name, answer in self.answers.items()}
        ends, now = {name: each[:-1] for name, each in p.items()}, {name: float(each[-1]) for name, each in p.items()}
        return FactorCurve(slider, values[:-1], ends, present, now, float(original.starts[i]))

    def _moved(self, original, amounts):
        """{factor: value} of the sliders that do not stand at their starts, exact or rounded, within their ends."""
        places = zip(self.sliders, original.starts, amounts, strict=True)
        return {
            slider.factor: float(np.clip(amount, slider.low, slider.high))
            for slider, start, amount in places
            if amount is not None and min(abs(amount - start), abs(amount - slider.place(start))) > slider.step / 10
        }

    def _change(self, original, values, n):
        """n items (n, C, *places), each the original with the factors at values {factor: (n,)}; the others stay."""
        x = original.upright.expand(n, *original.upright.shape)
        values = {name: torch.tensor(each, dtype=torch.float32) for name, each in values.items()}
        with torch.autocast(x.device.type, enabled=False):
            for slider in self.sliders:
                if slider.factor in values and not slider.planted:
                    x = slider.about.plant(x, values[slider.factor], FILL, self.bias.rate)
        return self.bias.plant(x, values[self.planted] if self.planted in values else self._own_value(original, n))

    def _own_value(self, original, n):
        """The value of the run's factor that the item as it is has, n times: (n,)."""
        own = [start for slider, start in zip(self.sliders, original.starts, strict=True) if slider.planted]
        return torch.full((n,), float(own[0]) if own else FACTORS[self.bias.factor].neutral)

    # ---- what is said of it ---------------------------------------------------------------------------------------

    def _ask(self, x):
        """{model: probability (K,)} of one item x (C, *places)."""
        return {name: answer(x[None])[0].numpy() for name, answer in self.answers.items()}

    def _read(self, x):
        """{meter: reading} of one item x (C, *places)."""
        return {name: float(read[0, 0]) for name, read in measure_all(x[None, None].numpy(), self.meters).items()}
