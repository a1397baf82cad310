"""Laws of the contact sheet: what is drawn says what it is, in letters that can be read on a page."""

import numpy as np
import pandas as pd

from xaae.experiment.kinds import KINDS
from xaae.experiment.traces import TraceSheet, draw_traces, lay_out_traces
from xaae.first_look.contact_sheet import MOST_CHANNELS, TRACE, draw_contact_sheet, sheet_rows
from xaae.sources.signal_scale import SignalScale
from xaae.sources.signals import Signals

PAGE, READABLE = 940, 10  # pixels of width of a page's text; of height of letters


def make_signals(n, channels, samples=200):
    names = tuple(f"V{i + 1}" for i in range(channels))
    scale = SignalScale(100.0, names, ("mV",) * channels, (-1.0,) * channels, (1.0,) * channels)
    values = np.random.default_rng(0).uniform(-1, 1, (n, channels, samples)).astype(np.float32)
    return Signals([None] * n, samples, scale, values)


def texts_of(figure):
    return " ".join(text.get_text() for text in figure.texts)


def test_signals_have_time_unit_and_names_that_can_be_read():
    items = make_signals(5, 2)
    figure = draw_contact_sheet(
        items, {"ill": [0, 4], "well": [1]}, {"ill": 2, "well": 3}, [f"/d/{i}.csv#X/{i}" for i in range(5)]
    )
    said = texts_of(figure)
    assert all(name in said for name in ("0.csv#X/0", "4.csv#X/4", "1.csv#X/1", "ill", "3 signals", "2 s from left"))
    sheet = TraceSheet.of(items.scale.as_dict(), 2)
    assert (sheet.rate, sheet.names, sheet.units) == (100.0, ("V1", "V2"), ("mV", "mV"))
    for axes, row in zip(figure.axes, (0, 4, 1), strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), draw_traces(items[[row]].numpy()[0], sheet, TRACE))
    wide = figure.get_figwidth() * figure.dpi
    assert lay_out_traces(sheet, TRACE).text * PAGE / wide >= READABLE


def test_classes_with_long_names_can_be_told_apart():
    names = [f"class number {i} with quite a long name" for i in range(3)]
    figure = draw_contact_sheet(
        make_signals(3, 1), {n: [i] for i, n in enumerate(names)}, dict.fromkeys(names, 1), "abc"
    )
    said = [text for text in figure.texts if "1 signal" in text.get_text()]
    assert len({text.get_text() for text in said}) == 3
    figure.draw_without_rendering()
    assert min(text.get_window_extent().x0 for text in said) >= 0


def test_of_many_channels_the_first_are_drawn_and_it_is_said():
    figure = draw_contact_sheet(make_signals(1, 64), {"a": [0]}, {"a": 1}, ["a.edf"])
    assert f"The first {MOST_CHANNELS} of 64 channels" in texts_of(figure) and figure.get_figheight() < 6


def test_a_class_has_as_many_items_as_its_row_has_room_for():
    table = pd.DataFrame({"label": ["b"] * 50 + ["a"] * 2})
    for kind, most in (("picture", 8), ("signal", 3)):
        rows = sheet_rows(table, KINDS[kind])
        assert list(rows) == ["a", "b"] and [len(each) for each in rows.values()] == [2, most]
