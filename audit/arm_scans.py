"""The factor scan of an arm's model: which factors it goes by when one at a time is changed in real items."""

from functools import lru_cache

import numpy as np
import torch

from xaae import model as models
from xaae.audit.opened_arm import open_arm
from xaae.experiment.device import device_of, exact, fastest_layout
from xaae.experiment.seeds import generator
from xaae.explain.network.quick_network import quick_network
from xaae.factors.registry import FACTORS, factors_for
from xaae.scan.factor_scan import scan_factors
from xaae.scan.scanned_run import read_rows, scan_items, value_grid
from xaae.scan.value_ranges import readings_of

TOLD = ("swing", "flips", "null_flips", "p_holm")  # numbers of a row of a scan that are kept


def give_scan(question):
    """The answer to a ScanQuestion, a dict of arrays.

    factor (F,): names of all factors that the items can be given; used (F,): verdicts; swing, flips, null_flips,
    p_holm (F,): see `scan_factors`; item_swing (N, F): largest less smallest probability of the target class over the
    values of each factor, by item.
    """
    arm = open_arm(question.folder, question.condition)
    items, grids = _scanned(question.folder, question.condition, question.items)
    rng = _generators(arm)[1]
    with exact():
        answer = _answering(arm, question.model, items.x)
        rows, probability, _ = scan_factors(answer, items, grids, rng, beyond=False, stages={})
    numbers = {name: np.array([row[name] for row in rows], np.float32) for name in TOLD}
    texts = {name: np.array([row[name] for row in rows]) for name in ("factor", "used")}
    swings = [np.ptp(probability[grid.factor][..., arm.target], axis=1) for grid in grids]
    return texts | numbers | {"item_swing": np.stack(swings, 1).astype(np.float32)}


def _generators(arm):
    """Two generators by the arm's seed, the same each time: of what is scanned, and of the answers' null."""
    return generator(arm.trained.config.seed, "audit scans").spawn(2)


@lru_cache(maxsize=2)
def _scanned(folder, condition, n):
    """(ScanItems, a ValueGrid for each factor) of an arm, kept for its next model.

    The condition's factor is planted at values from its whole range, whatever the class; not in arm normal, whose
    models never met it: there it is a factor like the others.
    """
    arm = open_arm(folder, condition)
    trained, rng = arm.trained, _generators(arm)[0]
    planted = None if trained.config.arm == "normal" else arm.bias
    items = scan_items(trained, arm.held_out_rows(n), planted, rng)
    train = trained.upright(read_rows(trained, rng))
    names = factors_for(trained.kind, trained.config.input_channels)
    return items, [value_grid(name, items, readings_of(FACTORS[name], train, items.rate)) for name in names]


def _answering(arm, model, x):
    """x -> probabilities (B, K) by one model of an arm. x: some items."""
    network = models.classifier(arm.network(model)).eval()
    device = device_of(network)
    network = quick_network(network, x[:8].to(device))

    @torch.inference_mode()
    def answer(x):
        return network(x.to(device, memory_format=fastest_layout(x))).float().softmax(1)

    return answer
