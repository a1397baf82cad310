"""The script of a run's page, driven in a headless Chromium: sliders, tabs, colours of the map."""

import shutil
from importlib.util import find_spec

import pytest
from helpers.report_fakes import DIRECTIONS, T, V, fake_run

from xaae.benchmarks.app import BROWSERS, browser
from xaae.report import write_report

MISSING = [] if find_spec("playwright") else ["playwright"]
MISSING += [] if any(map(shutil.which, BROWSERS)) else ["a Chromium"]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"the page cannot be driven without {', '.join(MISSING)}")


@pytest.fixture(scope="module")
def chromium():
    """One browser for all tests."""
    with browser() as found:
        yield found


@pytest.fixture
def page(chromium, tmp_path):
    """A run's page in the browser; afterwards: no error, nothing asked for but itself."""
    page = chromium.new_page(viewport={"width": 360, "height": 740})
    asked, wrong = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(write_report(fake_run(tmp_path / "run")).as_uri())
    yield page
    page.close()
    assert wrong == [] and [url for url in asked if not url.startswith(("file:", "data:"))] == []


def tile(page):
    """Where the first frame's tile lies in its sprite."""
    return page.locator("[data-walk='0'] .cell .tile").first.evaluate("tile => tile.style.backgroundPositionX")


def test_nothing_is_wider_than_a_small_screen(page):
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_slider_moves_frames_readings_and_cursor(page):
    slider = page.locator("[data-walk='0'] [data-step]")
    readout, cursor = page.locator("[data-walk='0'] [data-readout]"), page.locator("[data-walk='0'] .cursor")
    seen = []
    slider.focus()
    page.keyboard.press("Home")
    for _ in range(T):
        seen.append((tile(page), readout.inner_text(), cursor.get_attribute("transform")))
        page.keyboard.press("ArrowRight")
    assert len({place for place, _, _ in seen}) == len({at for _, _, at in seen}) == T
    assert seen[0][0] == "0%" and seen[-1][0] == "100%" and "median \u2013" in seen[3][1]  # not measured there


def test_one_direction_is_shown_at_a_time(page):
    for number in range(len(DIRECTIONS)):
        page.locator(f"#direction-{number}").check(force=True)
        assert [panel.is_visible() for panel in page.locator("[data-walk]").all()].index(True) == number
        assert page.locator("[data-walk]:visible").count() == 1


def test_points_keep_their_number_whatever_colours_them(page):
    count = "svg => [...svg.querySelectorAll('.point')].filter(p => p.style.display !== 'none')\
        .reduce((n, p) => n + (p.getAttribute('d').match(/M/g) || []).length, 0)"
    maps = page.locator("svg.map").all()
    for value in ("", "0", "1", "2", ""):
        page.select_option("#colour-by", value)
        assert [each.evaluate(count) for each in maps] == [V] * len(maps)
