"""The Gradio page of an Explorer. It listens on the loopback address, fetches nothing and sends nothing out."""

import logging
import os
import threading
from io import BytesIO
from pathlib import Path

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before gradio is imported
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

import gradio as gr  # noqa: E402
import numpy as np  # noqa: E402

from xaae.app import (
    fragments,
    uploads,  # noqa: E402
)
from xaae.app.explorer import REACH, to_pixels  # noqa: E402
from xaae.app.style import CSS, theme  # noqa: E402
from xaae.experiment.errors import InputError  # noqa: E402
from xaae.latent_nav import plots  # noqa: E402

ADDRESS = "127.0.0.1"
LARGEST = 500 * 2**20  # bytes, above which a file is not even stored to be looked at
QUICK = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
SAVE = """uri => {
  const link = document.createElement("a");
  Object.assign(link, {href: uri, download: "strip.png"}).click();
}"""
HELP = (
    "Sliders start at the picture's own code, 0, and move it by standard deviations of the training codes; right is "
    "towards {last}. Moves add up. AUC: how well a dimension tells the classes apart alone, from 0.5 to 1."
)


class Page:
    """What the page's events do; each returns what its outputs show.

    explorer: an Explorer. shown: rows of the gallery. rng: NumPy generator of the random button.
    """

    def __init__(self, explorer, shown, rng):
        self.explorer, self.shown, self.rng = explorer, [int(row) for row in shown], rng
        self.stage = fragments.PageStage(explorer)

    @property
    def zeros(self):
        """The sliders at home."""
        return [0.0] * len(self.explorer.directions)

    def fresh(self, home):
        """Home, the note, the sliders and the stage after a new start."""
        return [home, fragments.note(""), *self.zeros, self.stage.write(home, self.zeros)]

    def pick(self, row):
        """Start from a table row."""
        return self.fresh(self.explorer.start(row))

    def chance(self):
        """Start from a random held-out row, which the list then shows."""
        row = int(self.rng.choice(self.explorer.held_out))
        return [row, *self.pick(row)]

    def choose(self, event: gr.SelectData):
        """Start from a picture of the gallery, which the list then shows."""
        row = self.shown[event.index]
        return [row, *self.pick(row)]

    def upload(self, path):
        """Start from an uploaded file, which is deleted; or say why that cannot be and stay where we are."""
        try:
            x = uploads.read_upload(path, self.explorer.size, self.explorer.channels)
        except InputError as e:
            return [gr.skip(), gr.skip(), fragments.note(str(e)), *[gr.skip() for _ in self.zeros], gr.skip()]
        finally:
            Path(path).unlink(missing_ok=True)
        return [None, *self.fresh(self.explorer.start_from(x))]

    def move(self, home, *amounts):
        """The stage with the sliders where they are; an emptied number counts as 0."""
        return self.stage.write(home, [a or 0.0 for a in amounts])

    def strip(self, home):
        """The strip along the discriminant direction as a PNG data URI."""
        file = BytesIO()
        plots.strip(*self.explorer.strip(home)).savefig(file, format="png", dpi=150)
        return fragments.data_uri(file.getvalue())


def build_page(explorer, shown, title, lines, rng):
    """The page: a gr.Blocks. title and lines of text head it; for the rest see Page."""
    page = Page(explorer, shown, rng)
    first = explorer.start(page.shown[0])
    with gr.Blocks(title=title, analytics_enabled=False, fill_width=True) as blocks:
        gr.HTML(fragments.head(title, lines), elem_classes="head")
        home = gr.State(first)
        with gr.Row(equal_height=False):
            with gr.Column(scale=4, min_width=300, elem_id="controls"):
                picks = _pickers(page)
                note = gr.HTML(fragments.note(""), elem_classes="note", elem_id="note")
                gr.HTML(fragments.paragraph(HELP.format(last=explorer.classes[-1])), elem_classes="help")
                sliders = [_slider(explorer, i) for i in range(len(page.zeros))]
                with gr.Row():
                    back = gr.Button("Back home", size="sm", min_width=120, elem_id="back")
                    save = gr.Button("Download the strip", size="sm", min_width=120, elem_id="save")
            with gr.Column(scale=7, min_width=300):
                stage = gr.HTML(page.stage.write(first, page.zeros), elem_classes="stage", elem_id="stage")
        _listen(page, picks, home, note, sliders, stage)
        _finish(page, home, sliders, stage, back, save)
    return blocks


def _pickers(page):
    """What a start is chosen with: (gallery, list of all held-out items, random button, upload button)."""
    names = [(page.explorer.name(row), int(row)) for row in page.explorer.held_out]
    thumbs = list(to_pixels(page.explorer.picture(np.array(page.shown))))
    gallery = gr.Gallery(
        [t[..., 0] if t.shape[-1] == 1 else t for t in thumbs],
        format="png", columns=6, allow_preview=False, show_label=False, interactive=False, buttons=[],
        elem_classes="gallery", elem_id="gallery", object_fit="cover", height="auto",
    )  # fmt: skip
    chosen = gr.Dropdown(names, value=page.shown[0], label="Held-out picture", elem_id="chosen")
    with gr.Row():
        chance = gr.Button("Random picture", size="sm", min_width=120, elem_id="random")
        upload = gr.UploadButton("Upload a picture", size="sm", min_width=120, elem_id="upload")
    return gallery, chosen, chance, upload


def _slider(explorer, i):
    """The slider of the i-th direction."""
    name = explorer.directions[i].name
    label = f"Dimension {name[4:]} (AUC {explorer.auc[name]:.2f})" if i else f"From {explorer.contrast}"
    return gr.Slider(-REACH, REACH, 0, step=0.05, label=label, elem_id=f"slider-{i}", elem_classes="slide")


def _listen(page, picks, home, note, sliders, stage):
    """Wire everything that starts anew."""
    gallery, chosen, chance, upload = picks
    new = [home, note, *sliders, stage]
    gallery.select(page.choose, None, [chosen, *new], **QUICK)
    chosen.input(page.pick, chosen, new, **QUICK)
    chance.click(page.chance, None, [chosen, *new], **QUICK)
    upload.upload(page.upload, upload, [chosen, *new], **QUICK)


def _finish(page, home, sliders, stage, back, save):
    """Wire the sliders, the way back and the strip."""
    moved = [event for s in sliders for event in (s.input, s.release)]
    gr.on(moved, page.move, [home, *sliders], stage, trigger_mode="always_last", preprocess=False, **QUICK)
    back.click(lambda h: [*page.zeros, page.stage.write(h, page.zeros)], home, [*sliders, stage], **QUICK)
    held = gr.Textbox(visible=False)
    save.click(page.strip, home, held, **QUICK).then(None, held, None, js=SAVE)


def _around_proxies():
    """Gradio asks its own server whether it has started: that must not go to a proxy."""
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), ADDRESS]))


def serve(blocks, port, browser):
    """Show the page on the loopback address until Ctrl-C."""
    _around_proxies()
    blocks.launch(
        server_name=ADDRESS, server_port=port, inbrowser=browser, share=False, quiet=True, prevent_thread_lock=True,
        footer_links=[], max_file_size=LARGEST, theme=theme(), css=CSS,
    )  # fmt: skip
    try:
        print(f"Explore: http://{ADDRESS}:{port}  (Ctrl-C ends it)", flush=True)
        threading.Event().wait()
    except KeyboardInterrupt:
        print()
    finally:
        logging.getLogger("uvicorn.error").disabled = True
        blocks.server.force_exit = True  # do not wait for pages that are still open, nor complain of it
        blocks.close(verbose=False)
