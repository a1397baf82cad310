"""What an arm's model says of held-out items: gate 0, the response to the factor, the order of real items."""

import numpy as np
import torch

from xaae.audit.opened_arm import ANSWERED, open_arm
from xaae.audit.probe_items import VALUES, decided_by_factor
from xaae.experiment.device import exact
from xaae.explain.factor_response import probabilities, spurious_score

RESPONDED, SORTED = 24, 600  # held-out items whose response is asked for; items that are sorted by their logit


def give_answers(question):
    """The answer to an AnswersQuestion, a dict of arrays.

    spurious: see `spurious_score`; accuracy: of items with their own class's value; flips (P,): is the probe item
    decided by the factor?; grid (VALUES,), response (K, VALUES): mean probability of the target class by true class;
    logit (N,): of the target class, of the items that are sorted.
    """
    arm = open_arm(question.folder, question.condition)
    bias, classifier, classes = arm.bias, arm.classifier(question.model), arm.trained.classes
    x, labels = arm.held_out(ANSWERED)
    with exact(), torch.inference_mode():
        answer = {"spurious": spurious_score(classifier, x, labels, classes, bias.middles(), bias.plant)}
        answer["accuracy"] = _accuracy(classifier, x, labels, arm)
        answer["flips"] = decided_by_factor(classifier, arm.probe_items(question.probe).x_0, bias, arm.ends)
        many = arm.probe_items(SORTED).x
        answer["logit"] = torch.cat([classifier(part) for part in many.split(128)])[:, arm.target].numpy()
        return answer | _response(classifier, x[:RESPONDED], labels[:RESPONDED], arm)


def _accuracy(classifier, x, labels, arm):
    """Share of items x that are given their own class when they carry their own class's middle value."""
    middles = arm.bias.middles()
    own = torch.tensor([middles[label] for label in labels], dtype=torch.float32)
    predicted = classifier(arm.bias.plant(x, own)).argmax(-1).numpy()
    return float(np.mean(np.array(arm.trained.classes)[predicted] == labels))


def _response(classifier, x, labels, arm):
    """{"grid", "response"}, see `give_answers`."""
    grid = arm.bias.grid(VALUES)
    p = probabilities(classifier, x, grid, arm.bias.plant)[..., arm.target]
    return {"grid": grid, "response": np.stack([p[labels == c].mean(0) for c in arm.trained.classes])}
