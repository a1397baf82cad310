"""Heat maps of the probe items by an arm's model, with the checks of whether they are maps of this model at all."""

import numpy as np

from xaae import model as models
from xaae.audit.detection import map_planes
from xaae.audit.map_scores import removal
from xaae.audit.opened_arm import open_arm
from xaae.experiment.device import exact
from xaae.explain.call import explain
from xaae.explain.method import Refusal
from xaae.explain.network.randomise import randomised, similarity

CHECKED = 8  # probe items of the checks, and at least so many pairs


def give_maps(question):
    """The answer to a MapsQuestion, a dict: planes (P, 2, *places) of each set of items, and the checks.

    {"reason": sentence} where the method refuses this model. Other errors of the method are raised.
    """
    arm = open_arm(question.folder, question.condition)
    network, background = models.classifier(arm.network(question.model)), arm.background()
    probe, parameters = arm.probe_items(question.probe), dict(question.parameters)

    def maps_by(network, x):
        return explain(network, x, question.method, arm.target, background=background, seed=1, **parameters)

    try:
        chosen = _chosen_items(probe, question.sets, max(CHECKED, question.probe // 4))
        answer = {name: map_planes(maps_by(network, x)) for name, x in chosen.items()}
        if question.checks:
            answer |= _checks(arm.classifier(question.model), network, probe.x[:CHECKED], maps_by)
    except Refusal as e:
        return {"reason": str(e)}
    return answer


def _chosen_items(probe, sets, pairs):
    """The items that are explained, by the name of their planes."""
    chosen = {"with": probe.x} if "with" in sets else {}
    return chosen | ({"pair_with": probe.x[:pairs], "pair_without": probe.x_0[:pairs]} if "pair" in sets else {})


def _checks(classifier, network, x, maps_by):
    """randomised: how alike the maps of a network of random weights are; removal: see `map_scores.removal`."""
    maps, of_random = maps_by(network, x), maps_by(randomised(network, 0), x)
    alike = float(np.mean(similarity(maps, of_random)["absolute"]))
    with exact():
        gain = removal(classifier, x, map_planes(maps), np.random.default_rng(0))
    return {"randomised": alike, "removal": gain}
