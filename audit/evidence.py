"""The pictures of an audit: probe images, evidence under each cell of the table, the questions of the quiz."""

from pathlib import Path

import numpy as np
from PIL import Image

from xaae.audit import cells, judging, questions
from xaae.experiment import run_folder
from xaae.explain.figures.heatmaps import heatmap, preset_for

COLUMNS, SIDE, GAP = 8, 72, 4  # items a row, pixels a side of one, white between them


def _sheet(rows):
    """Rows of pictures (N, H, W, 3) uint8 as one sheet, each picture SIDE pixels a side, white between them."""
    wide = max(map(len, rows))
    canvas = np.full((len(rows) * (SIDE + GAP) - GAP, wide * (SIDE + GAP) - GAP, 3), 255, np.uint8)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            y, x = i * (SIDE + GAP), j * (SIDE + GAP)
            colour = np.repeat(picture, 3, -1) if picture.shape[-1] == 1 else picture[..., :3]
            canvas[y : y + SIDE, x : x + SIDE] = Image.fromarray(colour).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return canvas


def _save(folder, name, canvas):
    """Write a sheet under `figures/`; its path as audit.json has it."""
    path = Path(folder) / "figures" / f"{name}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(canvas).save(path, quality=88)
    return str(path.relative_to(folder))


def draw_all(folder, cases, cells, factors):
    """Draw the figure of every factor and cell; writes their paths into both, in place."""
    for case in cases:
        key = case.condition.key
        chosen = _shown(case)
        pictures = run_folder.as_pictures(case.probe.x[chosen].numpy())
        upright = run_folder.as_pictures(case.probe.x_0[chosen].numpy())
        factors[key]["figure"] = _save(folder, f"{case.condition.file()}-probe", _sheet([upright, pictures]))
        for c in (c for c in cells if c["factor"] == key and c["status"] == "ok"):
            if (canvas := _draw(case, c, chosen, pictures)) is not None:
                name = f"{case.condition.file()}-{c['model']}-{c['explanation'].replace(':', '-')}"
                c["figure"] = _save(folder, name, canvas)


def _shown(case):
    """The probe items that figures show: evenly over the factor's values."""
    order = np.argsort(case.probe.values, kind="stable")
    return order[np.linspace(0, len(order) - 1, COLUMNS).round().astype(int)]


def _draw(case, c, chosen, pictures):
    """The evidence of one cell, None for a control: above the pictures, then biased, then irrelevant."""
    if c["explanation"].startswith("control:"):
        return None
    if c["explanation"].startswith("walk:"):
        frames = [cells.walks_of(case, arm, 0)[1][c["explanation"][5:]]["frames"] for arm in ("biased", "irrelevant")]
        return _sheet([*frames[0][:3], *frames[1][:3]])
    if c["explanation"] == "sorted":
        return _sheet([row for arm in ("biased", "irrelevant") for row in _sorted_rows(case, c["model"], arm)])
    return _sheet([pictures, *(_maps_row(case, c["explanation"], c["model"], arm, chosen)
                              for arm in ("biased", "irrelevant"))])  # fmt: skip


def _maps_row(case, method, model, arm, chosen, which=0):
    """Heat maps of chosen probe items by one model of an arm."""
    found = judging.read_maps(case, method, model, arm)[which]["with"][chosen]
    preset = preset_for(method)
    values = found[:, 1:] if preset == "grey" else found[:, :1]
    if preset == "picture":
        preset = "signed"
    return heatmap(values, preset, "batch", x=case.probe.x[chosen], percentile=99.5)


def _sorted_rows(case, model, arm, which=0):
    """Real pictures from the lowest logit to the highest, two rows of each end's and what lies between."""
    asked = questions.probe_of(case.trained, case.condition, 600)
    order = np.argsort(case.answers[model, arm][which]["logit"], kind="stable")
    picked = order[np.linspace(0, len(order) - 1, 2 * COLUMNS).round().astype(int)]
    pictures = run_folder.as_pictures(asked.x[picked].numpy())
    return [pictures[:COLUMNS], pictures[COLUMNS:]]


# ---- the quiz ---------------------------------------------------------------------------------------------------

CANDIDATES = {
    "rotation": "rotation: how far the picture is turned",
    "brightness": "brightness: how light the whole picture is",
    "tint": "tint: how warm or cold its colours are",
    "blur": "blur: how sharp it is",
    "tag": "a tag: a mark in a corner",
    "size": "size: how large the object is",
    "place": "place: where in the picture the object is",
    "background": "background: what is behind the object",
}
HELP = {
    "map": "Top row: pictures. Below: where the model says its evidence for {last} lies (red for it, blue against).",
    "walk": "Each row starts from one picture; from left to right it is changed towards {last}.",
    "sorted": "Real pictures, from those that the model calls {first} most surely to those it calls {last}.",
}
ASKED = ("walk:head", "sorted", "gradcam", "integrated_gradients", "lrp_epsilon_plus")


UNSURE = "Not every model of this quiz passed the audit's gates: what decides their answers is not known for sure."


def known(gates, explanation, model):
    """Is it known what decides the model's answers, and can its decoder draw it? gates: of one factor."""
    return not gates[model]["clause"] and not (explanation.startswith("walk:") and gates["shown"]["clause"])


def write_quiz_questions(folder, cases, factors, title, seed=0):
    """quiz.json with its pictures: one explanation of one model a question, biased and irrelevant ones mixed.

    Models that failed a gate are left out; if all did, they are asked about all the same, with a caution.
    """
    rng = np.random.default_rng([seed, 11])
    every = [(case, e, m) for case in cases for e, m in _asked_of(case)]
    sure = [each for each in every if known(factors[each[0].condition.key]["gates"], *each[1:])]
    wanted = [(*each, arm) for each in sure or every for arm in ("biased", "irrelevant")]
    rng.shuffle(wanted)
    classes, questions = cases[0].trained.classes, []
    for number, (case, explanation, model, arm) in enumerate(wanted, 1):
        canvas = _question(case, explanation, model, arm, rng.permutation(len(case.probe.values))[:COLUMNS])
        kind = explanation.partition(":")[0] if explanation.startswith(("walk", "sorted")) else "map"
        told = HELP[kind].format(first=classes[0], last=classes[-1])
        about = {"title": title(explanation, model), "kind": kind, "help": told, "arm": arm}
        about["answer"] = case.condition.factor if arm == "biased" else "none"
        questions.append(about | {"figure": _save(folder, f"quiz-{number}", canvas), "model": model})
    candidates = [{"id": k, "title": v} for k, v in CANDIDATES.items()]
    animal = cases[0].trained.config["dataset"] in ("pets", "synthpets")
    found = {
        "subject": "animal" if animal else "object",
        "seed": seed,
        "candidates": candidates,
        "questions": questions,
        "caution": "" if sure else UNSURE,
        "classes": classes,
    }
    run_folder.write_json(Path(folder) / "quiz.json", found)


def _asked_of(case):
    """Which explanations of which model the quiz asks about."""
    methods = [e for e in ASKED if e in case.methods[case.models[-1]]][:2]
    maps = [(e, case.models[-1]) for e in methods if "with" in judging.read_maps(case, e, case.models[-1], "biased")[0]]
    walks = [(e, "aae") for e in ASKED if e.startswith("walk:") and e[5:] in case.specs]
    return [*walks, ("sorted", case.models[-1]), *maps]


def _question(case, explanation, model, arm, chosen, which=1):
    """The picture of one question."""
    if explanation.startswith("walk:"):
        return _sheet(list(cells.walks_of(case, arm, which)[1][explanation[5:]]["frames"]))
    if explanation == "sorted":
        return _sheet(_sorted_rows(case, model, arm, which))
    pictures = run_folder.as_pictures(case.probe.x[chosen].numpy())
    return _sheet([pictures, _maps_row(case, explanation, model, arm, chosen, which)])
