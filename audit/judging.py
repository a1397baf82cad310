"""From the kept answers of all arms to the cells of the table: one explanation, one model, one condition each."""

from dataclasses import dataclass, field

import numpy as np

from xaae.audit import controls, map_scores, questions, ranking
from xaae.audit.cells import cell, detection_numbers, walks_of
from xaae.audit.detection import of_planes, planes
from xaae.audit.probe import Probe
from xaae.audit.verdict import Thresholds, gate_shown, gate_use, verdict
from xaae.explain.method import METHODS
from xaae.factors.measuring import measure_all
from xaae.factors.meters import meters_for
from xaae.factors.registry import FACTORS

MODELS = {"aae": "AAE", "baseline": "ResNet34"}
WAYS = {
    "lda": "the direction that parts the classes best beside their spread (linear discriminant)",
    "head": "the weights of the classifier's head",
    "means": "the line from one class's mean code to the other's",
    "logistic": "the direction of a logistic regression",
    "severity": "the direction along which the degree of the class grows",
    "pca_1": "the first principal axis, which knows nothing of the classes: a control",
}
FEWEST = 8  # items of the flip set; with fewer, all probe images are judged


@dataclass
class JudgedCondition:
    """One condition with its trained arms: folders {arm: [folder of each seed]}, and what was asked of them."""

    condition: object
    folders: dict
    models: list
    n: int
    specs: list
    k: int
    methods: dict
    fill: str
    asked: Thresholds = field(default_factory=Thresholds)
    seeds: int = 3

    def __post_init__(self):
        trained = questions.opened(str(self.folders["biased"][0]))
        self.trained, self.factor = trained, FACTORS[self.condition.factor]
        self.bias = questions.bias_of(trained, self.condition)
        self.probe: Probe = questions.probe_of(trained, self.condition, self.n)
        self.meters = meters_for(trained.config["input_channels"])
        self.place = self.factor.place(trained.config["input_size"]).numpy() if self.factor.is_local else None
        self.answers = {
            (m, arm): [questions.read_answer(f, self.condition, self.n, f"answers-{m}.npz") for f in self.some(arm)]
            for m in self.models for arm in self.folders
        }  # fmt: skip

    def some(self, arm):
        """The folders of an arm that are judged: further seeds only serve the check of chance."""
        return self.folders[arm][: self.seeds]

    def rng(self, *key):
        """A generator for one purpose, the same each time."""
        return np.random.default_rng([9, *(sum(str(k).encode()) for k in key)])

    def flip_set(self, model):
        """Probe items (P,) bool that most biased models decide by the factor; all of them if these are too few."""
        share = np.mean([a["flips"] for a in self.answers[model, "biased"]], 0) if model in self.models else np.ones(1)
        found = share > 0.5
        return found if found.sum() >= FEWEST else np.ones(len(self.probe.values), bool)


# ---- gates ------------------------------------------------------------------------------------------------------


def gates(case):
    """Gate 0 of every model and gate 1, with their numbers and the clause that fails, None if none does."""
    found = {}
    for m in case.models:
        of = lambda key, m=m: {arm: [float(a[key]) for a in case.answers[m, arm]] for arm in case.folders}  # noqa: E731
        spurious = of("spurious")
        clause = gate_use({arm: float(np.mean(v)) for arm, v in spurious.items()}, case.asked)
        flips = float(np.mean([a["flips"].mean() for a in case.answers[m, "biased"]]))
        found[m] = {"spurious": spurious, "accuracy": of("accuracy"), "flips": flips, "clause": clause}
    said = [walks_of(case, "biased", i)[0] for i in range(case.seeds)]
    shift, errors = float(np.mean([s["shift"] for s in said])), [s["error"] for s in said]
    limit = case.asked.meter_error * abs(shift)
    about = {"errors": errors, "limit": limit, "shift": shift, "meter": case.factor.meter}
    about["unit"] = case.meters[case.factor.meter].unit
    return found | {"shown": about | {"clause": gate_shown(float(np.mean(errors)), limit, about["unit"])}}


def mean_responses(case):
    """Mean probability of the last class at each value, by model, arm and true class."""
    return {m: {arm: _one_response(case, case.answers[m, arm]) for arm in case.folders} for m in case.models}


def _one_response(case, answers):
    """Of the models of one arm together."""
    mean = np.mean([a["response"] for a in answers], 0)
    return {"value": answers[0]["grid"]} | dict(zip(case.trained.classes, mean, strict=True))


# ---- cells ------------------------------------------------------------------------------------------------------


def _map_features(case, method, model, arm, rows):
    """Features (P, F) of each model's maps of an arm."""
    return [of_planes(a["with"][rows]) for a in read_maps(case, method, model, arm)]


def read_maps(case, method, model, arm, folders=None):
    """The kept maps of each model of an arm: a list of dicts."""
    sets, checks = sets_of(arm), arm == "biased"
    about = [case.n, case.methods[model][method], list(sets), checks]
    return [questions.read_answer(f, case.condition, about, f"{model}-{method}.npz") for f in folders or case.some(arm)]


def sets_of(arm):
    """Which pictures are explained in an arm; see `asking.ask_maps`."""
    return {"biased": ("with", "pair"), "irrelevant": ("with",), "normal": ("pair",)}[arm]


def map_cell(case, method, model, failed):
    """The cell of one attribution method. failed {(method, model): reason} of those that raised."""
    if (method, model) in failed:
        return cell(case, method, model, status="error", reason=failed[method, model])
    biased = read_maps(case, method, model, "biased")
    if "reason" in biased[0]:
        return cell(case, method, model, status="refused", reason=str(biased[0]["reason"]))
    rows = case.flip_set(model)
    found = detection_numbers(*(_map_features(case, method, model, a, rows) for a in ("biased", "irrelevant")),
                      case.rng(method, model))  # fmt: skip
    scores = _map_scores(case, method, model, biased, rows)
    named, naming = map_name(case, scores)
    return cell(case, method, model, scores=scores, named=named, naming=naming, **found)


def _map_scores(case, method, model, biased, rows):
    """The scores of section 6 for the maps of the biased models, means over them."""
    normal = read_maps(case, method, model, "normal")
    few = rows[: len(biased[0]["pair_with"])]
    few = few if few.any() else np.ones(len(few), bool)
    values = case.probe.values[: len(few)][few]
    turns = case.condition.factor == "rotation"
    each = []
    for b, n in zip(biased, normal, strict=True):
        both = [b["pair_with"][few], b["pair_without"][few]]
        one = {"same_map": map_scores.same_map(*both, values, turns), "randomised": float(b["randomised"])}
        one |= {"removal": float(b["removal"])}
        k = len(both[0])
        stacked = np.concatenate(both)
        one |= map_scores.spurious_signal(stacked, slice(0, k), slice(k, None), n["pair_with"][few], n["pair_without"][few],
                                    case.place)  # fmt: skip
        if case.place is not None:
            one |= map_scores.pointing(b["with"][marked(case, rows)], case.place)
        each.append(one)
    return {key: None if each[0][key] is None else float(np.nanmean([e[key] for e in each])) for key in each[0]}


def marked(case, rows):
    """Those of the probe items `rows` (P,) bool in which a local factor can be seen; all of them if it is in none."""
    seen = rows & (case.probe.values >= np.mean(case.bias.whole()))
    return seen if seen.any() else rows


def map_name(case, scores):
    """(named, sentence): does a map name the factor, by pointing at its place or not at all?"""
    if case.place is not None:
        share, chance = scores["relevance_rank"], float(case.place.mean())
        told = f"{share:.2f} of its strongest places lie on the {case.condition.factor} (by chance {chance:.2f}"
        told += f", asked for {case.asked.pointing:.2f})"
        return (True if share >= case.asked.pointing else False if share <= case.asked.no_pointing else None), told
    same = scores["same_map"]
    if same >= case.asked.same_map:
        turned = "only turned with the picture" if case.condition.factor == "rotation" else "stayed as it was"
        return False, f"the factor is not named: the map {turned} (correlation {same:.2f})"
    return None, f"nothing in it names the factor: it has no place, and the map changed (correlation {same:.2f})"


# ---- the plain baseline and the controls ------------------------------------------------------------------------


def sorted_cell(case, model):
    """The cell of real pictures sorted by a model's logit."""
    seen = {arm: sorted_features(case, model, case.answers[model, arm]) for arm in ("biased", "irrelevant")}
    about = detection_numbers(seen["biased"], seen["irrelevant"], case.rng("sorted", model))
    return cell(case, "sorted", model, **sorted_name(case, case.answers[model, "biased"]), **about)


def sorted_features(case, model, answers):
    """What both ends of the sorted pictures differ in, as features (R, F) of each model."""
    asked = questions.probe_of(case.trained, case.condition, 600)
    chosen = ranking.subsets(len(asked.x), case.rng("sorted"))
    return [of_planes(planes(ranking.ends(asked.x.numpy(), a["logit"], chosen))) for a in answers]


def sorted_name(case, answers):
    """named, naming and scores of the sorted pictures: which reading does the order follow within a class?"""
    asked = questions.probe_of(case.trained, case.condition, 600)
    read = {n: r[:, 0] for n, r in measure_all(asked.x.numpy()[:, None], _absolute(case.meters)).items()}
    read[case.factor.meter] = asked.values  # known: these pictures were made with it
    each = [{n: ranking.within_classes(a["logit"], r, asked.labels) for n, r in read.items()} for a in answers]
    mean = {n: float(np.mean([e[n] for e in each])) for n in read}
    best, own = max(mean, key=mean.get), mean[case.factor.meter]
    told = f"within a class the order follows {case.factor.name} most (Spearman {own:.2f})"
    if best != case.factor.meter or own < 0.5:
        told = f"within a class the order follows {best} ({mean[best]:.2f}), {case.factor.name} {own:.2f}"
    named = bool(best == case.factor.meter and own >= 0.5)
    return {"named": named, "naming": told, "scores": {"within_class": own}}


def _absolute(meters):
    """Meters that read a single picture."""
    return {n: m for n, m in meters.items() if not m.relative and n != "hue"}


def control_cell(case, name):
    """The cell of an explanation whose verdict is known beforehand."""
    seen = [[of_planes(planes(controls.control(name, case.probe.x, case.probe.values, arm == "biased",
                                               case.rng(name, arm, i)))) for i in range(case.seeds)]
            for arm in ("biased", "irrelevant")]  # fmt: skip
    named = True if name == "oracle" else None
    return cell(case, f"control:{name}", "none", named=named, naming=controls.MEANS[name], gates=[],
                **detection_numbers(*seen, case.rng(name)))  # fmt: skip


# ---- verdicts ---------------------------------------------------------------------------------------------------


def judge_cells(cells, gate, asked):
    """The cells with verdict and clause; gate {factor: gates}; p_holm has to be there."""
    return [c | _decided(c, gate[c["factor"]], asked) for c in cells]


def _decided(c, gate, asked):
    """Verdict and clause of one cell."""
    if c["status"] != "ok":
        return {"verdict": "UNDECIDED", "clause": f"{c['status']}: {c['reason']}"}
    clause = next((gate[g]["clause"] for g in c["gates"] if gate[g]["clause"]), None)
    told = of_cell(c, clause, asked)
    return {"verdict": told.value, "clause": told.clause}


def of_cell(c, gate, asked):
    """The Verdict on a cell's scores; gate: why it cannot be judged, or None."""
    s = c["scores"]
    walked = {"spearman": s["spearman"], "span": s["span"], "p": s["p_random"], "non_trivial": s["non_trivial"]} \
        if c["explanation"].startswith("walk:") else None  # fmt: skip
    return verdict(gate, c | {"randomised": s.get("randomised")}, asked, walked)


def describe_explanation(explanation):
    """{kind, title, means, paper} of an explanation by its name in the table; a control: the verdict expected too."""
    kind, _, name = explanation.partition(":")
    if kind == "walk":
        means = f"decoded frames along {WAYS.get(name, 'a direction of the latent space')}, read by meters"
        return {"kind": "walk", "title": f"walk ({name})", "means": means, "paper": "thesis, chapter 7"}
    if kind == "sorted":
        means = "real pictures sorted by the model's logit, no explanation"
        return {"kind": "sorted", "title": "real pictures, sorted", "means": means, "paper": "Sixt et al., ICLR 2022"}
    if kind == "control":
        about = {"title": f"control: {name}", "means": controls.MEANS[name], "expected": controls.EXPECTED[name]}
        return {"kind": "control", "paper": ""} | about
    how = METHODS[explanation]
    return {"kind": "map", "title": how.title, "means": how.means, "paper": how.paper}
