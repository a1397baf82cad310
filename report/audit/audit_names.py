"""What explanations, their groups, their scores and the thresholds are called on the page of an audit."""

import math
import re

from xaae.experiment.kinds import kind_in

VERDICT_TONES = {"REVEALS": "yes", "DOES NOT": "no", "UNDECIDED": "open"}  # verdict: CSS class of its badge
GROUP_TITLES = {
    "walk": "Walks through the latent space",
    "scan": "The factor scan: real {plural}, one thing at a time changed",
    "sorted": "Real {plural}, sorted",
    "map": "Heat maps",
    "control": "Controls: the verdict is known beforehand",
}
SCORES = {  # name: (plain name, what is wanted, threshold that holds, is the threshold the least or the most)
    "spearman": ("the factor changes steadily along the walk (Spearman)", "high", "spearman", "least"),
    "span": ("change from end to end, in planted shifts", "high", "span", "least"),
    "p_random": ("p: share of random directions that change the factor as much", "low", "p", "most"),
    "largest_step": ("largest change within one frame, as a share of the whole: a glide or a jump", "low",
                     "largest_step", "most"),
    "ends_explain": ("frames between explained by the two ends (R2): a cross-fade from", "low", "fade", "most"),
    "non_trivial": ("starts whose class changes for this model, but not for an unbiased one", "high", "non_trivial",
                    "least"),
    "flips": ("starts whose class changes", "high", None, None),
    "realism": ("frames that the discriminator takes for real", "high", None, None),
    "boundary_error": ("distance from the planted boundary where the class changes", "low", None, None),
    "slope": ("change for each step along the walk", "", None, None),
    "walk_alarms": ("unbiased models whose walk shows the factor too", "low", "false_alarms", "most"),
    "within_class": ("order within a class follows the factor (Spearman)", "high", None, None),
    "swing": ("swing of the answer when the planted factor alone changes, biased models (median)", "high", None, None),
    "swing_irrelevant": ("the same for models of arm irrelevant (median)", "low", None, None),
    "others_used": ("biased models that are said to use another factor too", "low", None, None),
    "relevance_rank": ("share of its strongest places that lie on the factor", "high", "pointing", "least"),
    "relevance_mass": ("share of the whole map that lies on the factor", "high", None, None),
    "confounder_sensitivity": ("share of its strongest tenth that lies on the factor", "high", None, None),
    "same_map": ("correlation of the maps with and without the factor (turned back for rotation)", "low", "same_map",
                 "most"),
    "k_ssd": ("similarity to the planted signal itself (K-SSD)", "high", None, None),
    "ccm": ("similarity to a normal model's map, factor absent (CCM)", "low", None, None),
    "fam": ("similarity to a normal model's map, factor present (FAM)", "low", None, None),
    "randomised": ("correlation with maps of random weights", "low", "randomised", "most"),
    "removal": ("confidence lost when its strongest places are covered, compared with random places", "high", None,
                None),
}  # fmt: skip
SCORES_IN_UNITS = ("boundary_error", "slope")  # of the factor
THRESHOLDS = {
    "spurious_biased": "spurious score of a biased model, at least",
    "spurious_control": "spurious score of a model of arm irrelevant, at most",
    "meter_error": "error of the meter on reconstructions, in planted shifts, at most",
    "detection": "detection (AUROC) for REVEALS, at least",
    "no_detection": "upper end of the detection's interval for DOES NOT, below",
    "false_alarms": "false alarms, at most",
    "p_holm": "p of the detection after Holm's correction, at most",
    "spearman": "Spearman of a walk and the factor, at least",
    "span": "change along a walk, in planted shifts, at least",
    "p": "p of a walk against random directions, at most",
    "non_trivial": "starts whose class changes for this model alone, at least",
    "largest_step": "change within one frame of a walk that glides, as a share of the whole, at most",
    "fade": "R2 of a walk's frames on its two ends, above which it is a cross-fade",
    "pointing": "strongest places on a local factor, for REVEALS at least",
    "no_pointing": "strongest places on a local factor, for DOES NOT at most",
    "same_map": "correlation of maps with and without a global factor, below",
    "randomised": "correlation with maps of random weights, below",
}
CAPTIONS = {
    "map": "Top row: the {plural}, at rising values of the factor. Below: the maps of a biased model, then those of a "
    "model of arm irrelevant. Red: for {last}; blue: against it; grey maps show only how much a place counts.",
    "walk": "Top half: walks of a biased model, from {first} on the left to {last} on the right. Bottom half: the same "
    "for a model of arm irrelevant.",
    "scan": "How far each factor alone moves the answer: a mark for each model, filled where the scan says that it uses"
    " the factor. Shaded on the left: too little to count as used. Shaded on the right: enough to count as used.",
    "sorted": "From the lowest to the highest score of {last}. Top half: by a biased model. Bottom half: by a model of "
    "arm irrelevant.",
    "control": "",
}
ROW_TITLES = {
    "scan": "Answers of the {model}",
    "sorted": "By the score of the {model}",
}
TROUBLE = {"refused": "refused", "error": "failed"}  # status of a cell: word for it


def explanation_about(result: dict, explanation: str) -> dict:
    """{kind, title, means, paper, expected} of an explanation; "" for what the file does not say."""
    about = result["explanations"].get(explanation) or {}
    prefix = explanation.partition(":")[0]
    kind = about.get("kind") or (prefix if prefix in GROUP_TITLES else "map")
    texts = {key: about.get(key) or "" for key in ("means", "paper")} | {"expected": about.get("expected")}
    return texts | {"kind": kind if kind in GROUP_TITLES else "map", "title": about.get("title") or explanation}


def group_of(result: dict, explanation: str, model: str) -> tuple[str, str]:
    """The group of the table that a cell belongs to: (its kind, the model whose maps they are or "")."""
    kind = explanation_about(result, explanation)["kind"]
    return kind, model if kind == "map" else ""


def group_title(result: dict, group: tuple[str, str]) -> str:
    """What a group is called."""
    kind, model = group
    title, name = GROUP_TITLES[kind].format(plural=kind_in(result).plural), result["models"].get(model)
    return f"{title} of the {name}{chr(8217) + 's head' if model == 'aae' else ''}" if name else title


def explanation_title(result: dict, explanation: str, model: str) -> str:
    """An explanation's name with its model's where it could be either's."""
    title, name = _own_title(result, explanation), result["models"].get(model)
    is_walk = explanation_about(result, explanation)["kind"] == "walk"
    return title if is_walk or not name else f"{title}, {name}"


def row_title(result: dict, explanation: str, model: str) -> str:
    """An explanation's name inside its group."""
    words = ROW_TITLES.get(group_of(result, explanation, model)[0])
    if words and model in result["models"]:
        return words.format(model=result["models"][model])
    return _own_title(result, explanation)


def _own_title(result: dict, explanation: str) -> str:
    """An explanation's name alone."""
    title = re.sub(r"^control: ", "", explanation_about(result, explanation)["title"])
    return title[:1].upper() + title[1:]


def is_number(value) -> bool:
    """Is it a finite number?"""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
