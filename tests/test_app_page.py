"""The page of `app RUN`, driven in a headless Chromium as a user would."""

import shutil
import signal
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from xaae.benchmarks import app
from xaae.benchmarks.app import BROWSERS, FACTOR, browser, moves, ready

MISSING = [name for name in ("gradio", "playwright") if find_spec(name) is None]
MISSING += [] if any(map(shutil.which, BROWSERS)) else ["a Chromium"]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"the page cannot be driven without {', '.join(MISSING)}")


@pytest.fixture(scope="module")
def server(toy_run, warm):
    """(address, process) of the page of the toy run, one for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "subprocess", warm)
        with app.served(toy_run) as found:
            yield found


@pytest.fixture(scope="module")
def address(server):
    """Where the page is served."""
    return server[0]


@pytest.fixture(scope="module")
def chromium():
    """One browser for all tests, which keeps what it has loaded."""
    with browser() as found:
        yield found.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)


@pytest.fixture
def page(chromium, address):
    """A new page on the explorer; afterwards: no error, no request but to the page's own address."""
    page = chromium.new_page()
    asked, wrong = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    ready(page, address)
    yield page
    page.close()
    assert wrong == []
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


def frame(page):
    """The address of the decoded frame that the page shows."""
    return page.locator("#stage .now img").get_attribute("src")


def wait_for_another(page, before):
    """Wait until the page shows another frame than `before`."""
    page.wait_for_function("s => document.querySelector('#stage .now img').src !== s", arg=before, timeout=20_000)


def name(page):
    """What the page says its start is."""
    return page.locator("#stage .now figcaption").inner_text()


def values(page):
    """The numbers at the sliders."""
    return [float(box.input_value()) for box in page.locator(".slide input[type=number]").all()]


def upload(page, path):
    """Upload a file."""
    page.locator("#controls input[type=file]").set_input_files(str(path))


def test_the_page_is_calm_and_whole(page):
    assert page.locator("#stage img").count() == 3 + 6
    assert page.locator("h1").count() == 1 and not page.locator("footer").is_visible()
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert not any(values(page))
    assert page.locator(".stage img:not([alt])").count() == 0


def test_every_move_by_keyboard_changes_the_frame(page):
    times, frames = moves(page, ["PageUp"] * 4 + ["PageDown"] * 4)
    assert len(times) == 8 and len(set(frames[:5])) == 5
    assert frames == frames[::-1]  # the way back shows the same
    assert not any(values(page))


def test_a_drag_is_live_ends_where_the_mouse_does_and_the_way_back_leads_home(page):
    home, box = frame(page), page.locator("#slider-1 input[type=range]").bounding_box()
    middle, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(middle, y)
    page.mouse.down()
    page.mouse.move(middle + box["width"] / 8, y, steps=5)
    wait_for_another(page, home)  # while the button is still down
    page.mouse.move(middle + 2 * box["width"], y, steps=5)
    page.mouse.up()
    assert values(page)[1] == 3
    before = frame(page)
    page.locator("#back").click()
    wait_for_another(page, before)
    page.wait_for_function("s => document.querySelector('#stage .now img').src === s", arg=home)
    assert not any(values(page))


def calm(page, pending):
    """Wait until nothing is on its way to the server, and nothing follows from what came back."""
    frames = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(false))))"
    while pending or page.evaluate(frames) or pending:
        page.wait_for_event("requestfinished", timeout=60_000)


def test_on_a_slow_line_the_page_still_ends_where_the_sliders_are(page):
    home, pending, answered = frame(page), set(), []
    page.on("request", lambda request: pending.add(request) if request.method == "POST" else None)
    page.on("requestfinished", lambda request: (pending.discard(request), answered.append(request)))
    line = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 400, "downloadThroughput": -1, "uploadThroughput": -1}
    line.send("Network.emulateNetworkConditions", slow)
    page.locator("#slider-0 input[type=range]").focus()
    for _ in range(6):
        page.keyboard.press("PageUp")  # faster than the answers come
    page.locator("#back").click()
    page.wait_for_function("document.querySelector('#slider-0 input[type=range]').value === '0'")
    calm(page, pending)
    assert not any(values(page)) and frame(page) == home and len(answered) > 1


def test_the_same_moves_give_the_same_frame(page):
    box = page.locator("#slider-2 input[type=number]")
    found = []
    for value in ("2", "-1", "2"):
        before = frame(page)
        box.fill(value)
        wait_for_another(page, before)
        found.append(frame(page))
    assert found[0] == found[2] != found[1]


def settled(page, before):
    """Wait until the page shows another start than the one called `before`, and its list says the same."""
    page.wait_for_function(
        "before => { const now = document.querySelector('#stage .now figcaption').innerText;"
        " return now !== before && now.endsWith(document.querySelector('#chosen input').value) }",
        arg=before,
        timeout=20_000,
    )


def test_random_list_and_gallery_start_anew(page):
    shown = [name(page)]
    for number in (1, 2, 3):
        before = frame(page)
        page.locator("#gallery button").nth(number).click()
        settled(page, shown[-1])
        shown.append(name(page))
        assert frame(page) != before
    page.locator("#random").click()
    settled(page, shown[-1])
    assert len(set(shown)) == 4 and page.locator("#chosen input").input_value() in name(page)


def refused(page, path, words):
    """Uploading this file says these words and changes nothing else."""
    before = frame(page), name(page)
    upload(page, path)
    page.wait_for_function("w => document.querySelector('#note').innerText.includes(w)", arg=words, timeout=20_000)
    assert (frame(page), name(page)) == before and "Traceback" not in page.content()


def test_uploads_are_taken_or_refused_in_one_sentence(page, tmp_path):
    (tmp_path / "text.png").write_text("no picture\n" * 20)
    previous, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    Image.MAX_IMAGE_PIXELS = previous
    refused(page, tmp_path / "text.png", "no PNG, JPEG")
    refused(page, tmp_path / "bomb.png", "more than 50 megapixels")
    noise = np.random.default_rng(0).integers(0, 255, (90, 120, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "good.png")
    before = frame(page)
    upload(page, tmp_path / "good.png")
    wait_for_another(page, before)
    assert "uploaded picture" in name(page) and page.locator("#note").inner_text().strip() == ""
    refused(page, tmp_path / "text.png", "no PNG, JPEG")
    times, _ = moves(page, ["PageUp", "PageUp"])
    assert len(times) == 2, "the page goes on working"


def test_a_factor_changes_the_real_picture_until_all_is_set_back(page):
    sliders = page.locator("#factors input[type=range]")
    names = sliders.evaluate_all("all => all.map(slider => slider.getAttribute('aria-label'))")
    assert len(set(names)) == len(names) == 13 and all(names)
    _, frames = moves(page, ["PageUp"] * 3, FACTOR)
    angle = page.locator(f"{FACTOR[0]} input[type=range]").input_value()
    assert len(set(frames)) == 4
    curve_at = "a => document.querySelector('#factors-curve .key').innerText.startsWith(`At ${a}\u00b0`)"
    page.wait_for_function(curve_at, arg=angle, timeout=20_000)  # the key was let go
    page.locator("#factors-back").click()
    page.wait_for_function("s => document.querySelector('#factors-look .changed img').src === s", arg=frames[0])
    before = name(page)
    page.locator("#gallery button").nth(1).click()
    settled(page, before)
    assert name(page).split(", starting from ")[1] in page.locator("#factors-look .original").inner_text()


def test_the_strip_is_a_picture(page, tmp_path):
    for _ in range(2):
        with page.expect_download(timeout=60_000) as download:
            page.locator("#save").click()
        download.value.save_as(tmp_path / "strip.png")
        with Image.open(tmp_path / "strip.png") as image:
            assert image.format == "PNG" and image.width > 4 * image.height
            image.load()


def test_ctrl_c_ends_it_quietly(server):
    """The last test, since it ends what the others need."""
    _, process = server
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0 and out.strip() == "" and err.strip() == ""
