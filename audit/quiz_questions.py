"""The questions of the quiz: one explanation of one model each; a person says which shortcut it shows, if any."""

from dataclasses import dataclass
from pathlib import Path

from xaae.audit.cell_figures import (
    FIGURE_COLUMNS,
    map_row,
    save_figure,
    sorted_rows,
    tile_pictures,
    walk_rows,
)
from xaae.audit.cells import COMPARED
from xaae.audit.explanations import explanation_kind, quiz_title
from xaae.audit.judged_condition import JudgedCondition
from xaae.audit.map_cells import refusal
from xaae.audit.probe_items import snapshots
from xaae.experiment import run_folder
from xaae.experiment.seeds import generator

CANDIDATES = {  # kind -> what may be planted, and what is not
  "picture": {
    "rotation": "rotation: how far the picture is turned",
    "brightness": "brightness: how light the whole picture is",
    "tint": "tint: how warm or cold its colours are",
    "blur": "blur: how sharp it is",
    "tag": "a tag: a mark in a corner",
    "size": "size: how large the object is",
    "place": "place: where in the picture the object is",
    "background": "background: what is behind the object",
  },
  "volume": {
    "rotation": "rotation: how far the volume is turned about its depth",
    "brightness": "brightness: how light the whole volume is",
    "contrast": "contrast: how far light and dark lie apart",
    "blur": "blur: how sharp it is",
    "tag": "a tag: a bright cube in a corner",
    "size": "size: how large the object is",
    "place": "place: where in the volume the object is",
  },
  "signal": {
    "hum": "hum: how strong the hum of the mains is",
    "drift": "drift: how far the baseline rises or falls",
    "shift": "shift: how early or late the signal comes",
    "polarity": "polarity: which way up the signal is",
    "spike": "a spike: a short peak at one place",
    "offset": "offset: how high the whole signal lies",
    "gain": "gain: how large its swings are",
    "stretch": "stretch: how slow it is",
    "noise_floor": "noise: how rough it is",
  },
}  # fmt: skip
HELP = {
    "map": "Top row: {plural}. Below: where the model says its evidence for {last} lies (red for it, blue against).",
    "walk": "Each row starts from one {name}; from left to right it is changed towards {last}.",
    "sorted": "Real {plural}, from those that the model calls {first} most surely to those it calls {last}.",
}
SUBJECTS = {  # dataset, or kind of its items -> what decides where no shortcut does
    "pets": "animal",
    "synthpets": "animal",
    "picture": "object",
    "volume": "object",
    "signal": "shape of the signal",
}
WALKS = ("led_aae", "head")  # directions: the first that the audit has is asked about
MAPS = ("gradcam", "integrated_gradients", "lrp_epsilon_plus")
MAPS_ASKED = 2  # of MAPS, the first that the audit has
SHOWN_MODEL = 1  # the number of the model of each arm that is shown; figures of cells show number 0
UNSURE = "Not every model of this quiz passed the audit's gates: what decides their answers is not known for sure."


@dataclass(frozen=True)
class QuizQuestion:
    """What one question of the quiz shows: an explanation of one model of an arm."""

    judged: JudgedCondition
    explanation: str
    model: str
    arm: str

    @property
    def kind(self):
        """The kind of its explanation."""
        return explanation_kind(self.explanation)

    @property
    def answer(self):
        """What the person should say: the factor, or "none"."""
        return self.judged.condition.factor if self.arm == "biased" else "none"

    def draw(self, rows):
        """Its sheet of pictures; rows: probe items for heat maps."""
        return tile_pictures(QUIZ_ROWS[self.kind](self, rows))

    def about(self):
        """What quiz.json says of it, apart from the figure."""
        sides = self.judged.arm.sides
        kind = self.judged.arm.trained.kind
        text = HELP[self.kind].format(first=sides.first[0], last=sides.last[-1], name=kind.name, plural=kind.plural)
        about = {
            "title": quiz_title(self.explanation, self.model, kind),
            "kind": self.kind,
            "help": text,
            "arm": self.arm,
        }
        return about | {"answer": self.answer, "model": self.model}


def _map_rows(question, rows):
    """The items and the maps of them."""
    maps = map_row(question.judged, question.explanation, question.model, question.arm, rows, SHOWN_MODEL)
    return [snapshots(question.judged.probe.x[rows]), maps]


QUIZ_ROWS = {
    "walk": lambda q, rows: list(walk_rows(q.judged, q.explanation.removeprefix("walk:"), q.arm, SHOWN_MODEL)),
    "sorted": lambda q, rows: sorted_rows(q.judged, q.model, q.arm, SHOWN_MODEL),
    "map": _map_rows,
}


def write_quiz_questions(folder, conditions, factors, seed=0):
    """Write quiz.json with its figures: explanations of biased and of irrelevant models, mixed.

    Models that failed a gate are left out; if all did, they are asked about all the same, with a caution.
    """
    rng, folder = generator(seed, "quiz"), Path(folder)
    asked, sure = _choose_questions(conditions, factors)
    rng.shuffle(asked)
    questions = []
    for number, question in enumerate(asked, 1):
        rows = rng.permutation(len(question.judged.probe.values))[:FIGURE_COLUMNS]
        figure = save_figure(folder, f"quiz-{number}", question.draw(rows))
        questions.append(question.about() | {"figure": figure})
    about = {"seed": seed, "questions": questions, "caution": "" if sure else UNSURE}
    trained = conditions[0].arm.trained
    about["candidates"] = [{"id": name, "title": title} for name, title in CANDIDATES[trained.kind.name].items()]
    about["subject"] = SUBJECTS.get(trained.config.dataset, SUBJECTS[trained.kind.name])
    about["item_kind"] = trained.kind.name
    run_folder.write_json(folder / "quiz.json", about | {"classes": trained.classes})


def _choose_questions(conditions, factors):
    """([QuizQuestion], did their models pass the gates?)."""
    every = [(judged, *pair) for judged in conditions for pair in _asked_explanations(judged)]
    sure = [each for each in every if is_known(factors[each[0].condition.key]["gates"], *each[1:])]
    return [QuizQuestion(*each, arm) for each in sure or every for arm in COMPARED], bool(sure)


def is_known(gates, explanation, model):
    """Is it known what decides the model's answers, and can its decoder draw it? gates: of one condition."""
    shown = explanation_kind(explanation) != "walk" or not gates["shown"]["clause"]
    return not gates[model]["clause"] and shown


def _is_mapped(judged, method, model):
    """Did the method refuse none of the models whose maps the quiz shows?"""
    return not refusal([maps for arm in COMPARED for maps in judged.maps(method, model, arm)])


def _asked_explanations(judged):
    """[(explanation, model)] that the quiz asks about under one condition."""
    last = judged.models[-1]
    methods = [method for method in MAPS if method in judged.methods(last)][:MAPS_ASKED]
    maps = [(method, last) for method in methods if _is_mapped(judged, method, last)]
    walks = [(f"walk:{name}", "aae") for name in WALKS if name in judged.directions()]
    return [*walks[:1], ("sorted", last), *maps]
