"""Speed, as ratios that are taken side by side in one run.

python benchmarks/run.py                              every comparison
python benchmarks/run.py loop products --size 64      some of them
python benchmarks/run.py loop --json loop.json        also as JSON: name, ratio_median, ratio_min, ratio_max, repeats

loop       the whole training loop with its data / bare steps on one batch, of the plain and the factored code
products   bare training steps / matrix products of as many operations, of both codes
thesis     both codes / the thesis's network, an image (32 and 128 pixels; 64, 256: that of 128 with another stride)
losses     the losses of a step and their gradients / composed of the library's steps
where      of bare training steps: each kind of arithmetic / all
pythae     an epoch here / pythae's Adversarial_AE with the same encoder and decoder (pip install pythae)
decoding   frames of walks / the decoder called directly
latents    codes and answers of items, as `navigate` finds them / the model called directly
meters     readings of walks / one weighted sum by torch, where that is the meter; all at once / one after the other
compiling  forward and backward passes by what torch.compile makes of the networks / as they are written
methods    explanations / captum called directly
reaching   training to a held-out error and to a walk that turns: default / thesis's architecture (32 pixels; minutes)
growth     seconds and memory at 10 and 100 times the items, of larger pictures, codes and signals / of the least
"""

import argparse
import sys
from functools import partial
from pathlib import Path
from pkgutil import resolve_name

from xaae.experiment.errors import InputError
from xaae.experiment.machine import quieten


def _compare(function, *given):
    """What a function of this folder says, "file:name"; it is loaded now."""
    return resolve_name(f"xaae.benchmarks.{function}")(*given)


COMPARISONS = {
    "loop": partial(_compare, "loop_speed:loop"),
    "products": partial(_compare, "loop_speed:products"),
    "losses": partial(_compare, "loss_speed:losses"),
    "where": partial(_compare, "step_profile:where"),
    "thesis": partial(_compare, "thesis_sizes:beside_thesis"),
    "pythae": partial(_compare, "training_speed:beside_pythae"),
    "decoding": partial(_compare, "explaining_speed:decoding"),
    "latents": partial(_compare, "reading_speed:latents"),
    "meters": partial(_compare, "reading_speed:meters"),
    "compiling": partial(_compare, "compile_speed:compiling"),
    "methods": partial(_compare, "explaining_speed:methods"),
    "reaching": partial(_compare, "reaching:reaching"),
    "growth": partial(_compare, "growth:growth"),
}
OF_NO_SIZE = {"growth", "reaching"}  # those that have sizes of their own
OPTIONAL = {"pythae": "pip install pythae"}  # those that need more than is installed: how it is had


def main(arguments=None):
    """Take the comparisons that are asked for, print them, and write JSON if asked; exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"which; all by default: {', '.join(COMPARISONS)}")
    parser.add_argument("--size", type=int, nargs="+", default=[64], help="pixels a side; several one after the other")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(arguments)
    if unknown := ", ".join(name for name in asked.names if name not in COMPARISONS):
        parser.error(f"there is no comparison {unknown}: choose from {', '.join(COMPARISONS)}.")
    quieten()  # as every command does before it loads torch: memory is kept between steps there
    from fastai.torch_core import default_device

    from xaae.benchmarks.pairs import table, write_comparisons
    from xaae.experiment.device import fast_precision

    precision, found = fast_precision(default_device()), []
    for name in asked.names or COMPARISONS:
        for size in asked.size[:1] if name in OF_NO_SIZE else asked.size:
            try:
                found += COMPARISONS[name](size, precision, asked.repeats)
            except (ImportError, InputError, RuntimeError) as e:
                cure = f" ({OPTIONAL[name]})" if isinstance(e, ImportError) and name in OPTIONAL else ""
                print(f"{name} at {size} pixels is left out: {e}{cure}", file=sys.stderr)
    if not found:
        return 2
    print(table(found))
    if asked.json:
        write_comparisons(found, asked.json, precision)
    return 0


if __name__ == "__main__":
    sys.exit(main())
