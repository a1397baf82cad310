"""The part of the page that changes one thing in the real item: a slider for each factor, the answers beside them.

Gradio is set up before it is imported, see `serving`.
"""

from functools import partial

import gradio as gr

from xaae.app import changed_fragments

QUICK = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
KEYS = """() => document.addEventListener("keyup", event => {
  const moves = ["Arrow", "Page", "Home", "End"].some(key => event.key.startsWith(key));
  if (moves && event.target.matches("#factors input[type=range]"))
    event.target.dispatchEvent(new PointerEvent("pointerup", {bubbles: true}));
})"""  # a slider moved by the keyboard is let go as one that is moved by the mouse


class FactorPart:
    """The part with one slider for each factor. changes: ChangedItems. verdicts: see `explored_run.scan_verdicts`.

    build(home, folder) makes it; `outputs` are what a new start changes, and fresh(home) what they then show.
    """

    def __init__(self, changes, verdicts):
        self.changes, self.verdicts = changes, verdicts
        self.stage = changed_fragments.ChangedStage(changes)

    def build(self, home, folder):
        """Add the part to the page, starting at a Home. folder: of the run."""
        original = self._original(home)
        first = self._shown(original)
        words = changed_fragments.introduction(self.changes.kind, self.verdicts, folder)
        gr.HTML(words, elem_classes="help", elem_id="factors-help")
        held = gr.State(original)
        with gr.Row(equal_height=False, elem_id="factors"):
            with gr.Column(scale=6, min_width=300, elem_id="factor-sliders"):
                with gr.Row(elem_id="factor-grid"):
                    sliders = [self._slider(i, value) for i, value in enumerate(first[: len(self.changes.sliders)])]
                back = gr.Button("Set all back", size="sm", min_width=120, elem_id="factors-back")
            with gr.Column(scale=6, min_width=300, elem_id="factor-answers"):
                look, curve, readings = (
                    gr.HTML(text, elem_classes="stage", elem_id=f"factors-{name}")
                    for name, text in zip(("look", "curve", "meters"), first[len(sliders) :], strict=True)
                )
        self.outputs = [held, *sliders, look, curve, readings]
        self._listen(held, sliders, back, (look, curve, readings))

    def _slider(self, i, value):
        """The slider of the i-th factor."""
        slider = self.changes.sliders[i]
        info = changed_fragments.verdict_words(self.verdicts.get(slider.factor, {}), self.changes.kind)
        return gr.Slider(
            slider.low, slider.high, value, step=slider.step, label=changed_fragments.slider_label(slider), info=info,
            elem_id=f"factor-{slider.factor}", elem_classes="factor", min_width=200,
            buttons=[] if slider.planted else ["reset"],  # Gradio's own goes to the value of the item shown first
        )  # fmt: skip

    def _listen(self, held, sliders, back, shown):
        """Wire the sliders and the way back: the last change always gets the last word."""
        look, curve, readings = shown
        last = QUICK | {"trigger_mode": "always_last", "preprocess": False}
        gr.on([s.change for s in sliders], self.move, [held, *sliders], [look, readings], **last)
        for i, slider in enumerate(sliders):
            slider.release(partial(self.trace, i), [held, *sliders], curve, **last)
        back.click(self._shown, held, [*sliders, look, curve, readings], **QUICK)

    # ---- what its events do -------------------------------------------------------------------------------------

    def _original(self, home):
        """The OriginalItem of a Home."""
        if home.row is None:
            return self.changes.start_from(home.x, home.name)
        return self.changes.start(home.row, home.name)

    def fresh(self, home):
        """What `outputs` show after a new start."""
        original = self._original(home)
        return [original, *self._shown(original)]

    def _shown(self, original):
        """Sliders, pictures, curve and readings of an item as it is; the curve is that of the planted factor."""
        sliders, starts = self.changes.sliders, [float(start) for start in original.starts]
        view = self.changes.view(original, starts)
        most = next((i for i, slider in enumerate(sliders) if slider.planted), 0)
        look, readings = self.stage.look(original, view), self.stage.readings(original, view)
        places = (slider.place(start) for slider, start in zip(sliders, starts, strict=True))
        return [*places, look, self.trace(most, original, *starts), readings]

    def move(self, original, *amounts):
        """The pictures with the answers, and the readings, with the sliders where they are."""
        view = self.changes.view(original, amounts)
        return self.stage.look(original, view), self.stage.readings(original, view)

    def trace(self, i, original, *amounts):
        """The curve of the i-th slider, the others where they are."""
        return self.stage.curve(self.changes.curve(original, amounts, i))


def listen_to_keys(blocks):
    """Let a slider that the keyboard moves be let go when the key is."""
    blocks.load(None, None, None, js=KEYS)
