"""What an arm's model says of held-out items: gate 0, the response to the factor, the order of real items."""

import numpy as np
import torch
from sklearn.metrics import confusion_matrix

from xaae.audit.opened_arm import ANSWERED, open_arm
from xaae.audit.probe_items import VALUES, decided_by_factor
from xaae.experiment.class_balance import class_balance
from xaae.experiment.device import exact
from xaae.explain.factor_response import probabilities, spurious_score

RESPONDED, SORTED = 24, 600  # held-out items whose response is asked for; items that are sorted by their logit


def give_answers(question):
    """The answer to an AnswersQuestion, a dict of arrays.

    spurious: see `spurious_score`, between the two sides; accuracy, balanced_accuracy: of items with their own class's
    value, majority_share: the accuracy of naming always the most frequent class; flips (P,): does the factor decide
    which side the probe item is on?; grid (VALUES,), response (2, VALUES): mean probability of the target class by true
    class, of both sides; logit (N,): of the target class, of the items that are sorted.
    """
    arm = open_arm(question.folder, question.condition)
    bias, classifier, between = arm.bias, arm.classifier(question.model), arm.two_sided(question.model)
    x, labels = arm.held_out(ANSWERED)
    with exact(), torch.inference_mode():
        answer = {"spurious": spurious_score(between, x, labels, arm.sides.both, bias.middles(), bias.plant)}
        answer |= _accuracies(classifier, x, labels, arm)
        answer["flips"] = decided_by_factor(between, arm.probe_items(question.probe).x_0, bias, arm.ends)
        many = arm.probe_items(SORTED).x
        answer["logit"] = torch.cat([classifier(part) for part in many.split(128)])[:, arm.target].numpy()
        return answer | _response(classifier, x[:RESPONDED], labels[:RESPONDED], arm)


def _accuracies(classifier, x, labels, arm):
    """How often items x are given their own class when they carry their own class's middle value, by name."""
    middles = arm.bias.middles()
    own = torch.tensor([middles[label] for label in labels], dtype=torch.float32)
    predicted = classifier(arm.bias.plant(x, own)).argmax(-1).numpy()
    answers, classes = np.array(arm.trained.classes)[predicted], arm.trained.classes
    balance = class_balance(confusion_matrix(labels, answers, labels=classes), classes)
    beside = {name: balance[name] for name in ("balanced_accuracy", "majority_share")}
    return {"accuracy": float(np.mean(answers == labels))} | beside


def _response(classifier, x, labels, arm):
    """{"grid", "response"}, see `give_answers`."""
    grid = arm.bias.grid(VALUES)
    p = probabilities(classifier, x, grid, arm.bias.plant)[..., arm.target]
    return {"grid": grid, "response": np.stack([p[labels == c].mean(0) for c in arm.sides.both])}
