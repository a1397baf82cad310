"""The Gradio page of an Explorer. It fetches nothing and sends nothing out.

Gradio is set up before it is imported, see `serving`.
"""

from io import BytesIO
from pathlib import Path

import gradio as gr
import numpy as np

from xaae.app import fragments, uploads
from xaae.app.changed_page import QUICK, listen_to_keys
from xaae.app.explorer import REACH
from xaae.experiment.errors import InputError
from xaae.latent_nav import plots

SAVE = """uri => {
  const link = document.createElement("a");
  Object.assign(link, {href: uri, download: "strip.png"}).click();
}"""
HELP = (
    "At 0 a slider leaves the code of the chosen {kind} as it is. It moves the code in standard deviations of the "
    "training codes; to the right is towards {last}. Moves add up. AUC: how well this dimension alone tells the "
    "classes apart, from 0.5 (not at all) to 1."
)


class Page:
    """What the page's events do; each method returns what its outputs show.

    explorer: an Explorer. shown: rows of the gallery. rng: NumPy generator of the random button. factors: the
    FactorPart below, which starts anew whenever the page does.
    """

    def __init__(self, explorer, shown, rng, factors):
        self.explorer, self.shown, self.rng, self.factors = explorer, [int(row) for row in shown], rng, factors
        self.stage = fragments.PageStage(explorer)

    @property
    def zeros(self):
        """All sliders at 0."""
        return [0.0] * len(self.explorer.directions)

    def fresh(self, home):
        """Home, the note, the sliders, the stage and the part of the factors after a new start."""
        return [home, fragments.note(""), *self.zeros, self.stage.write(home, self.zeros), *self.factors.fresh(home)]

    def pick(self, row):
        """Start from a table row."""
        return self.fresh(self.explorer.start(row))

    def random(self):
        """Start from a random held-out row, which the list then shows."""
        row = int(self.rng.choice(self.explorer.held_out))
        return [row, *self.pick(row)]

    def choose(self, event: gr.SelectData):
        """Start from an item of the gallery, which the list then shows."""
        row = self.shown[event.index]
        return [row, *self.pick(row)]

    def upload(self, path):
        """Start from an uploaded file, which is deleted; or say why that is not possible, and change nothing."""
        model = self.explorer.model
        try:
            x = uploads.read_upload(path, model.kind, model.input_size, model.input_channels, **self.explorer.reading)
        except InputError as e:
            unchanged = len(self.zeros) + 1 + len(self.factors.outputs)
            return [gr.skip(), gr.skip(), fragments.note(str(e)), *[gr.skip() for _ in range(unchanged)]]
        finally:
            Path(path).unlink(missing_ok=True)
        return [None, *self.fresh(self.explorer.start_from(x))]

    def move(self, home, *amounts):
        """The stage with the sliders where they are; an emptied number counts as 0."""
        return self.stage.write(home, [a or 0.0 for a in amounts])

    def strip(self, home):
        """The strip along the discriminant direction as a PNG data URI."""
        file, drawing = BytesIO(), self.explorer.drawing
        frames, captions, title = self.explorer.strip(home)
        plots.strip(drawing.walk(frames), captions, title, note=drawing.note).savefig(file, format="png", dpi=150)
        return fragments.png_uri(file.getvalue())


def build_page(page, title, lines, folder):
    """The gr.Blocks of a Page. title and lines of text head it. folder: of the run."""
    explorer = page.explorer
    first = explorer.start(page.shown[0])
    with gr.Blocks(title=title, analytics_enabled=False, fill_width=True) as blocks:
        gr.HTML(fragments.head(title, lines), elem_classes="head")
        home = gr.State(first)
        with gr.Row(equal_height=False):
            with gr.Column(scale=4, min_width=300, elem_id="controls"):
                pickers = _pickers(page)
                note = gr.HTML(fragments.note(""), elem_classes="note", elem_id="note")
                words = HELP.format(kind=explorer.kind.name, last=explorer.contrast.goal)
                gr.HTML(fragments.paragraph(words), elem_classes="help")
                sliders = [_slider(explorer, i) for i in range(len(page.zeros))]
                with gr.Row():
                    back = gr.Button("Back to the start", size="sm", min_width=120, elem_id="back")
                    save = gr.Button("Download the walk", size="sm", min_width=120, elem_id="save")
            with gr.Column(scale=7, min_width=300):
                stage = gr.HTML(page.stage.write(first, page.zeros), elem_classes="stage", elem_id="stage")
        page.factors.build(first, folder)
        _listen_to_pickers(page, pickers, [home, note, *sliders, stage, *page.factors.outputs])
        _listen_to_sliders(page, home, sliders, stage, back, save)
        listen_to_keys(blocks)
    return blocks


def _pickers(page):
    """What a start is chosen with: (gallery, list of all held-out items, random button, upload button)."""
    explorer = page.explorer
    names = [(explorer.name(row), int(row)) for row in explorer.held_out]
    shown = [fragments.item_pixels(x, explorer.drawing) for x in explorer.items(np.array(page.shown))]
    wide = shown[0].shape[1] > shown[0].shape[0]
    gallery = gr.Gallery(
        shown, format="png", columns=3 if wide else 6, allow_preview=False, show_label=False, interactive=False,
        buttons=[], elem_classes=["gallery", *(["wide"] if wide else [])], elem_id="gallery",
        object_fit="contain" if wide else "cover", height="auto",
    )  # fmt: skip
    kind = explorer.kind.name
    listed = gr.Dropdown(names, value=page.shown[0], label=f"Held-out {kind}", elem_id="chosen")
    with gr.Row():
        random = gr.Button(f"Random {kind}", size="sm", min_width=120, elem_id="random")
        upload = gr.UploadButton(f"Upload a {kind}", size="sm", min_width=120, elem_id="upload")
    return gallery, listed, random, upload


def _slider(explorer, i):
    """The slider of the i-th direction."""
    direction = explorer.directions[i]
    if direction.leader:
        label = f"What the {direction.leader.title} goes by, from {explorer.contrast}"
    elif direction.name in explorer.auc:
        label = f"Dimension {direction.name[4:]} (AUC {explorer.auc[direction.name]:.2f})"
    else:
        label = f"From {explorer.contrast}"
    return gr.Slider(-REACH, REACH, 0, step=0.05, label=label, elem_id=f"slider-{i}", elem_classes="slide")


def _listen_to_pickers(page, pickers, new):
    """Wire everything that chooses a new start; `new` is what then changes."""
    gallery, listed, random, upload = pickers
    gallery.select(page.choose, None, [listed, *new], **QUICK)
    listed.input(page.pick, listed, new, **QUICK)
    random.click(page.random, None, [listed, *new], **QUICK)
    upload.upload(page.upload, upload, [listed, *new], **QUICK)


def _listen_to_sliders(page, home, sliders, stage, back, save):
    """Wire the sliders, the way back and the download.

    The stage follows the sliders' values whoever sets them: the last change always gets the last word.
    """
    changed = [s.change for s in sliders]
    gr.on(changed, page.move, [home, *sliders], stage, trigger_mode="always_last", preprocess=False, **QUICK)
    back.click(None, None, sliders, js=f"() => {page.zeros}")
    held = gr.Textbox(visible=False)
    save.click(page.strip, home, held, **QUICK).then(None, held, None, js=SAVE)
