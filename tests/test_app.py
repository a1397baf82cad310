"""Laws of the explorer, of uploads and of the command, without a page."""

import json
import socket
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.html_laws import HOSTILE, Page
from PIL import Image

from xaae import model as models
from xaae.app import fragments, uploads
from xaae.app.explored_run import discriminant_direction, heading, navigated_contrast, open_explorer
from xaae.app.explorer import NEAREST, REACH, STRIP, Explorer, least_noticed
from xaae.app.fragments import PageStage, item_pixels
from xaae.app.serving import check_port, serve_explorer
from xaae.experiment.errors import InputError
from xaae.experiment.kinds import KINDS, PICTURE, SIGNAL
from xaae.experiment.run_folder import as_pictures
from xaae.experiment.vocabulary import PALETTE, PALETTE_DARK
from xaae.factors.meters import METERS, meters_for
from xaae.factors.picture_plants import plant_tag
from xaae.factors.signal_plants import add_hum
from xaae.latent_nav import directions
from xaae.latent_nav.contrasts import contrast
from xaae.latent_nav.plots import DRAWINGS
from xaae.sources import picture_files

SIZE, D, N = 16, 6, 60
CLASSES = ["cat", "dog"]
SIDES = contrast("", CLASSES)


@pytest.fixture(scope="module")
def parts():
    """A model whose head reads the first dimension, and codes of two classes that lie apart along it."""
    torch.manual_seed(0)
    model = models.AAE(SIZE, 3, D, 4).eval()
    rng = np.random.default_rng(0)
    labels = np.array(CLASSES * (N // 2))
    z = rng.standard_normal((N, D)).astype(np.float32)
    z[:, 0] += np.where(labels == "dog", 2, -2)
    splits = np.array(["train"] * (N - 10) + ["valid"] * 10)
    x = torch.from_numpy(rng.random((N, 3, SIZE, SIZE)).astype(np.float32))
    found = SIDES.evidence(z[:-10], labels[:-10])
    (main,) = directions.fit_directions(found, ["lda"])
    return SimpleNamespace(model=model, z=z, labels=labels, splits=splits, x=x, main=main)


def opened(folder, classes):
    """What directions ask of a trained run with classes."""
    table, config = pd.DataFrame({"split": ["train"]}), SimpleNamespace(task="classes")
    return SimpleNamespace(folder=folder, classes=classes, table=table, config=config, numbers=lambda rows: None)


@pytest.fixture(scope="module")
def explorer(parts):
    """The Explorer of those parts."""
    return Explorer(parts.model, SIDES, parts.z, parts.labels, parts.splits, lambda rows: parts.x[rows], [parts.main])


def first(explorer, amount):
    """The first slider at `amount`, all others at home."""
    return [amount, *[0.0] * (len(explorer.directions) - 1)]


@torch.inference_mode()
def decoded(model, z):
    """decode(z) of one code (D,) as NumPy."""
    return model.decode(torch.from_numpy(z)[None])[0].numpy()


def test_sliders_at_home_give_the_reconstruction(explorer, parts):
    home = explorer.start(55)
    view = explorer.view(home, first(explorer, 0.0))
    np.testing.assert_allclose(view.frame, decoded(parts.model, parts.z[55]), atol=1e-6)
    np.testing.assert_array_equal(view.frame, home.frame)
    np.testing.assert_array_equal(home.x, parts.x[55])
    np.testing.assert_allclose(view.probability, home.probability)
    assert view.words == []


def test_an_upload_starts_at_its_own_code(explorer, parts):
    home = explorer.start_from(parts.x[3])
    with torch.inference_mode():
        z = parts.model.encode(parts.x[3:4])[0].numpy()
    np.testing.assert_allclose(home.z, z, atol=1e-6)
    np.testing.assert_allclose(home.frame, decoded(parts.model, z), atol=1e-6)
    assert home.row is None and home.probability.sum() == pytest.approx(1)


def test_moves_add_up_and_stop_at_the_reach(explorer, parts):
    home, n = explorer.start(50), len(explorer.directions)
    whole = explorer.move(home, np.ones(n)) - home.z
    np.testing.assert_allclose(whole, sum(explorer.move(home, row) - home.z for row in np.eye(n)), atol=1e-5)
    step = parts.main.scale * parts.main.vector
    np.testing.assert_allclose(explorer.move(home, first(explorer, 2.0)), home.z + 2 * step, atol=1e-5)
    np.testing.assert_array_equal(explorer.move(home, first(explorer, 99)), explorer.move(home, first(explorer, REACH)))


def test_right_is_towards_the_last_class(explorer, parts):
    dogs, train = parts.labels == "dog", parts.splits == "train"
    for d in explorer.directions:
        along = parts.z[train] @ d.vector
        assert along[dogs[train]].mean() > along[~dogs[train]].mean()
    assert explorer.directions[1].name == "dim_0" and explorer.auc["dim_0"] > 0.95


def test_the_discriminant_slider_raises_the_last_class():
    """With a decoder and a classifier that carry the first dimension through the picture."""
    torch.manual_seed(0)
    model = models.AAE(SIZE, 1, D, 4).eval()
    model.decode = lambda z: torch.sigmoid(z[:, :1, None, None]).expand(-1, 1, SIZE, SIZE)
    model.classify = lambda x: torch.logit(x[:, 0, 0, :1]) * torch.tensor([-1.0, 1.0])
    rng, labels = np.random.default_rng(1), np.array(CLASSES * 20)
    z = rng.standard_normal((40, D)).astype(np.float32)
    z[:, 0] += np.where(labels == "dog", 2, -2)
    (main,) = directions.fit_directions(SIDES.evidence(z, labels), ["lda"])
    black = torch.zeros(40, 1, SIZE, SIZE)
    explorer = Explorer(model, SIDES, z, labels, ["train"] * 40, lambda rows: black[rows], [main])
    home = explorer.start(0)
    rising = [explorer.view(home, first(explorer, a)).probability[-1] for a in np.linspace(-REACH, REACH, 7)]
    assert (np.diff(rising) > 0).all() and rising[0] < 0.5 < rising[-1]
    assert "gets brighter" in " ".join(explorer.view(home, first(explorer, REACH)).words)
    assert "gets darker" in " ".join(explorer.view(home, first(explorer, -REACH)).words)


def test_nearest_items_are_the_nearest_and_never_the_start(explorer, parts):
    home = explorer.start(12)
    view = explorer.view(home, first(explorer, 0.0))
    assert 12 not in view.nearest and len(set(view.nearest.tolist())) == NEAREST and (np.diff(view.distance) >= 0).all()
    distance = np.linalg.norm(parts.z - home.z, axis=1)
    assert view.distance[0] == pytest.approx(np.sort(distance)[1], rel=1e-5)
    found, _ = explorer.nearest(parts.z[12])
    assert found[0] == 12, "an upload has no row of its own"


def test_the_discriminator_accepts_all_but_the_lowest_training_codes(explorer, parts):
    train = np.flatnonzero(parts.splits == "train")
    with torch.inference_mode():
        scores = parts.model.discriminate(torch.from_numpy(parts.z[train])).numpy()
    assert explorer.floor == pytest.approx(np.percentile(scores, 5), abs=1e-5)
    assert explorer.judge(parts.z[train[scores.argmax()]])[1]
    assert not explorer.judge(parts.z[train[scores.argmin()]])[1]


def test_a_discriminator_that_sees_only_batches_judges_no_code(parts):
    model = models.AAE(SIZE, 3, D, 4).eval()
    model.discriminate = lambda z, y=None: torch.zeros(len(z))
    blind = Explorer(model, SIDES, parts.z, parts.labels, parts.splits, lambda rows: parts.x[rows], [parts.main])
    assert blind.floor is None and blind.judge(parts.z[0]) == (None, None)


def test_only_noticeable_changes_have_words(explorer):
    frame = explorer.start(50).frame
    assert explorer.in_words(explorer.changes(frame, frame)) == []
    words = explorer.in_words({"luminance": -0.2, "contrast": 0.001, "x": 3.0})
    assert words == ["gets darker by 0.20", "moves right by 3.0 % of the side"]


def test_the_strip_has_a_caption_for_every_frame(explorer):
    home = explorer.start(50)
    frames, captions, title = explorer.strip(home)
    assert frames.dtype == np.uint8 and frames.shape == (1, STRIP, SIZE, SIZE, 3) and len(captions[0]) == STRIP
    np.testing.assert_array_equal(frames[0, 5], as_pictures(home.frame))
    assert captions[0][5].startswith("home") and "row 50" in title


@pytest.mark.parametrize("meter", METERS.values(), ids=lambda meter: meter.name)
def test_no_meter_changes_without_a_word(explorer, meter):
    """A large change of any meter is told in the sentence, and stands out in the list, whichever meters there are."""
    for large in (-100 * least_noticed(meter), 100 * least_noticed(meter)):
        assert explorer.in_words({meter.name: large}) == [meter.say(large)] and "keeps" not in meter.say(large)
        assert 'class="large"' in fragments._reading(meter, large)
        assert 'class="large"' not in fragments._reading(meter, large / 1000)


def test_a_planted_tag_is_told(explorer, parts):
    """The app says that a tag comes and goes, read off frames that have it."""
    tagged = plant_tag(parts.x[:1], torch.tensor([0.8]))[0].numpy()
    plain = parts.x[0].numpy()
    assert any("gains" in word and "tag" in word for word in explorer.in_words(explorer.changes(plain, tagged)))
    assert any("loses" in word and "tag" in word for word in explorer.in_words(explorer.changes(tagged, plain)))


@pytest.mark.parametrize("text", ["", "a:c", "d:b", "rest:c"])
def test_the_page_explores_the_contrast_of_the_navigation(tmp_path, parts, text):
    """With four classes: slider, single dimensions and words speak of the two sides that the run was navigated for."""
    classes = list("abcd")
    labels, z = np.array(classes * (N // 4)), np.random.default_rng(3).standard_normal((N, D)).astype(np.float32)
    z += 6 * np.eye(4, D, dtype=np.float32)[[classes.index(c) for c in labels]]
    np.savez(tmp_path / "directions.npz", **{"means.direction": np.eye(D)[2], "means.scale": 1.0})
    (tmp_path / "navigate.json").write_text(json.dumps({"options": {"contrast": text}}))
    trained = opened(tmp_path, classes)
    sides = navigated_contrast(trained)
    assert sides == contrast(text, classes)
    main = discriminant_direction(trained, sides, z, labels)
    model = models.AAE(SIZE, 3, D, 4, classes=4).eval()
    explorer = Explorer(model, sides, z, labels, ["train"] * N, lambda rows: parts.x[rows], [main])
    first, last = sides.rows(labels)
    for direction in explorer.directions[:2]:
        assert (z[last] @ direction.vector).mean() > (z[first] @ direction.vector).mean() + 2
    _, _, title = explorer.strip(explorer.start(0))
    assert str(sides) in title and title.endswith(f"AAE's probability of {' or '.join(sides.last)}")


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_items_of_every_kind_can_be_explored(parts, kind):
    torch.manual_seed(0)
    model = models.AAE(SIZE, 1, D, 4, kind=kind.name).eval()
    items = torch.rand(N, 1, *[SIZE] * kind.places)
    explorer = Explorer(model, SIDES, parts.z, parts.labels, parts.splits, lambda rows: items[rows], [parts.main])
    home = explorer.start_from(items[0])
    assert home.name == f"uploaded {kind.name}" and home.frame.shape == items.shape[1:]
    view = explorer.view(home, first(explorer, 1.0))
    assert view.frame.shape == items.shape[1:] and set(view.changes) == set(meters_for(1, kind))
    assert view.probability.sum() == pytest.approx(1, abs=1e-5) and len(explorer.strip(home)[0][0]) == STRIP


@pytest.mark.parametrize("rate", [None, 250.0])
def test_a_planted_hum_is_told_with_and_without_a_sampling_rate(parts, rate):
    model = models.AAE(64, 1, D, 4, kind=SIGNAL.name).eval()
    explorer = Explorer(model, SIDES, parts.z, parts.labels, parts.splits, None, [parts.main])
    explorer.rate = rate
    pulse = 0.3 + 0.4 * torch.exp(-(((torch.arange(64.0) - 32) / 8) ** 2))[None, None]
    changes = explorer.changes(pulse[0].numpy(), add_hum(pulse, torch.tensor([10.0]), rate=rate)[0].numpy())
    assert changes["hum"] == pytest.approx(10, abs=0.5) and "mains hum" in explorer.in_words(changes)[0]


# ---- fragments of the page --------------------------------------------------------------------------------------


def test_the_stage_is_whole_and_shows_names_as_names(parts):
    labels = np.where(parts.labels == "cat", HOSTILE, "dog")
    sides = contrast("", [HOSTILE, "dog"])
    explorer = Explorer(parts.model, sides, parts.z, labels, parts.splits, lambda r: parts.x[r], [parts.main])
    stage = PageStage(explorer)
    for amounts in (np.zeros(5), np.full(5, 2.0)):
        found = Page(stage.write(explorer.start(50), amounts))
        assert found.tags.count("img") == 3 + NEAREST and not found.unnamed and "script" not in found.tags
        assert all(address.startswith("data:image/png;base64,") for _, address in found.addresses)
        assert found.tags.count("dt") == len(explorer.meters) and HOSTILE in found.words


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures_are_shown_grey_or_in_colour(channels):
    x = torch.rand(channels, SIZE, SIZE)
    pixels = item_pixels(x, DRAWINGS[PICTURE.name](None))
    assert pixels.shape == ((SIZE, SIZE) if channels == 1 else (SIZE, SIZE, 3)) and pixels.dtype == np.uint8
    np.testing.assert_allclose(pixels.reshape(SIZE, SIZE, -1)[..., 0] / 255, x[0], atol=1 / 255)


def test_the_page_uses_every_colour_of_the_palette():
    pytest.importorskip("gradio")
    from xaae.app.page_style import CSS, page_theme

    assert all(colour in CSS for colour in (*PALETTE, *PALETTE_DARK))
    assert page_theme().slider_color == PALETTE[1] and page_theme().slider_color_dark == PALETTE_DARK[1]


# ---- uploads ----------------------------------------------------------------------------------------------------


def refused(path, *words):
    """`read_upload` refuses the file in one sentence with these words."""
    with pytest.raises(InputError) as caught:
        uploads.read_upload(path, PICTURE, SIZE, 3)
    text = str(caught.value)
    assert all(word in text for word in words) and "\n" not in text and text.endswith(".")


def test_a_text_named_as_a_picture_is_refused(tmp_path):
    (tmp_path / "a.png").write_text("not a picture at all\n" * 20)
    refused(tmp_path / "a.png", "PNG, JPEG", "whatever its name")


@pytest.mark.parametrize("side", [8000, 20000])
def test_too_many_pixels_are_refused_by_the_header(tmp_path, side):
    previous, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    Image.new("1", (side, side)).save(tmp_path / "a.png")
    Image.MAX_IMAGE_PIXELS = previous
    refused(tmp_path / "a.png", "50 megapixels")


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "bmp", "tiff", "gif"])
def test_a_picture_cut_short_is_refused(tmp_path, kind):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / f"whole.{kind}")
    data = (tmp_path / f"whole.{kind}").read_bytes()
    (tmp_path / "cut").write_bytes(data[: len(data) // 2])
    refused(tmp_path / "cut", ".")


def test_a_huge_file_and_an_empty_one_are_refused(tmp_path):
    with open(tmp_path / "huge.png", "wb") as file:
        file.truncate(uploads.LARGEST + 1)
    refused(tmp_path / "huge.png", "20 MB")
    (tmp_path / "empty.png").touch()
    refused(tmp_path / "empty.png", "empty")


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_a_good_picture_of_each_mode_is_read_as_the_run_reads_it(tmp_path, mode, channels):
    noise = np.random.default_rng(0).integers(0, 255, (40, 30)).astype(np.uint8)
    grey = Image.fromarray(noise)
    image = Image.fromarray(noise.astype(np.uint16) * 256) if mode == "I;16" else grey.convert(mode)
    path = tmp_path / "a.tiff"
    image.save(path)
    got = uploads.read_upload(path, PICTURE, SIZE, channels)
    assert got.shape == (channels, SIZE, SIZE) and got.dtype == torch.float32
    torch.testing.assert_close(got, picture_files.decode_picture(path, SIZE, channels).float() / 255)


def test_the_name_does_not_count(tmp_path):
    Image.new("RGB", (20, 20), "red").save(tmp_path / "a.png")
    path = (tmp_path / "a.png").rename(tmp_path / "strange.npz#name.txt")
    assert uploads.read_upload(path, PICTURE, SIZE, 3)[0].min() == 1


def test_every_kind_that_the_page_shows_can_be_uploaded():
    assert set(DRAWINGS) == set(uploads.UPLOAD_READERS) <= set(KINDS)


# ---- the run ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["latents.npz", "directions.npz"])
def test_a_run_that_was_not_navigated_is_refused(tmp_path, missing):
    for name in {"model.safetensors", "latents.npz", "directions.npz"} - {missing}:
        (tmp_path / name).touch()
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match=f"{missing}.*navigate"):
        serve_explorer(tmp_path, browser=False)


def test_a_direction_walked_elsewhere_is_fitted_again(tmp_path, parts):
    trained, train = opened(tmp_path, CLASSES), parts.splits == "train"
    stored = {"lda.direction": np.eye(D, dtype=np.float32)[1], "lda.scale": 2.0}
    np.savez(tmp_path / "directions.npz", **stored)

    def vector():
        return discriminant_direction(trained, SIDES, parts.z[train], parts.labels[train]).vector

    (tmp_path / "navigate.json").write_text("{}")
    np.testing.assert_array_equal(vector(), stored["lda.direction"])
    (tmp_path / "navigate.json").write_text('{"directions": {"lda": {"contrast": "dog to cat"}}}')
    np.testing.assert_allclose(vector(), parts.main.vector)
    np.savez(tmp_path / "directions.npz", **{"means.direction": np.eye(D)[2], "means.scale": 1.0})
    np.testing.assert_allclose(vector(), parts.main.vector)


def test_a_run_opens_with_its_codes(toy_run):
    explorer, trained = open_explorer(toy_run)
    assert len(explorer.z) == len(trained.table) and explorer.kind == PICTURE and explorer.classes == trained.classes
    title, lines = heading(trained)
    assert toy_run.name in title and any("arm biased; rotation planted: cat 0 to 90" in line for line in lines)


def test_a_kind_that_cannot_be_shown_yet_is_refused_by_name(toy_run, monkeypatch):
    monkeypatch.setattr("xaae.latent_nav.plots.DRAWINGS", {})
    with pytest.raises(InputError, match="pictures cannot be drawn yet"):
        open_explorer(toy_run)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="not a run folder"):
        serve_explorer(tmp_path, browser=False)


def test_a_missing_gradio_is_named_with_its_cure(tmp_path, monkeypatch):
    for name in ("model.safetensors", "latents.npz", "directions.npz"):
        (tmp_path / name).touch()
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setattr("xaae.app.serving.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'pip install -e "\.\[app\]"'):
        serve_explorer(tmp_path, browser=False)


def test_a_taken_port_is_named_with_its_cure():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match=r"cannot be used.*--port \d+"):
            check_port(taken.getsockname()[1])
    with pytest.raises(InputError, match="70000"):
        check_port(70000)


def test_the_explorer_knows_no_page(warm):
    rooms = "explorer, fragments, uploads, explored_run, serving".replace(" ", " xaae.app.")
    code = f"import sys, xaae.app.{rooms}; assert 'gradio' not in sys.modules"
    warm.run([sys.executable, "-c", code], check=True)
