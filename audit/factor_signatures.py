"""Signatures: how each factor changes the meters, and which factor a walk changes them like.

The signature of a factor is the change of every meter when real items go from one end of the factor's range to the
other. A walk is named after the factor whose signature is most like its own changes (cosine), if any is.
"""

from dataclasses import replace

import numpy as np
import torch

from xaae.experiment.audit_settings import AUDITED_FACTORS
from xaae.experiment.kinds import kind_of
from xaae.factors.bias import even_ranges, make_bias
from xaae.factors.measuring import measure_all
from xaae.factors.registry import FACTORS, factors_for

ALIKE = 0.5  # cosine from which changes count as those of a factor
ENDS = ("first", "last")  # two classes between which a factor is planted to get its signature


def factor_signatures(x_0, meters, fill="zeros", planted="", rate=None):
    """{factor: {meter: float}} for the factors that an audit plants by default and that items x_0 (P, C, *places) can
    be given, and for the one called `planted`; not for others with its meter, from which no walk could tell it.

    The number is the meter's median change from the middle of the factor's first class's range to that of its last
    class, in the meter's unit. rate: samples a second of signals.
    """
    kind = kind_of(x_0.shape)
    possible, own = factors_for(kind, x_0.shape[1]), FACTORS[planted].meter if planted else ""
    usual = [name for name in AUDITED_FACTORS[kind.name] if FACTORS[name].meter != own]
    factors = [name for name in possible if name in usual or name == planted]
    return {name: _signature(name, x_0, meters, fill, rate) for name in factors}


def _signature(name, x_0, meters, fill, rate):
    """{meter: change} of one factor."""
    factor, plant = FACTORS[name], replace(make_bias(ENDS, fill=fill, factor=name), rate=rate).plant
    ends = [float(np.mean(bounds)) for bounds in even_ranges(ENDS, factor.whole, factor.gap).values()]
    frames = torch.stack([plant(x_0, torch.full((len(x_0),), value)) for value in ends], 1)
    readings = measure_all(frames.numpy(), meters)
    return {m: float(np.median(meters[m].between(r[:, 0], r[:, 1]))) for m, r in readings.items()}


def name_factor(table, signatures):
    """(name of the factor whose signature the changes of a walk are most like, "" if none is; {factor: cosine}).

    table: rows of the walk's naming table. Only changes beyond chance count (rows with `named`). signatures: as
    `factor_signatures` gives them.
    """
    units = _units(signatures, {row["meter"]: row["spread"] for row in table})
    walk = np.array([row["change"] / units[row["meter"]] if row["named"] else 0.0 for row in table])
    cosines = {}
    for factor, changes in signatures.items():
        own = np.array([changes[row["meter"]] / units[row["meter"]] for row in table])
        size = np.linalg.norm(walk) * np.linalg.norm(own)
        cosines[factor] = float(abs(walk @ own) / size) if size > 0 else 0.0
    best = max(cosines, key=cosines.get)
    return (best if cosines[best] >= ALIKE else ""), cosines


def _units(signatures, spreads):
    """The unit of every meter: the most that a factor, or a change between the run's own items, changes it."""
    return {m: max(spread, *(abs(each[m]) for each in signatures.values()), 1e-9) for m, spread in spreads.items()}
