"""How far judges of reconstructions differ: several are trained for each run, and asked as the run's own was.

python -m benchmarks.judges runs/table/biased-s0 runs/table/irrelevant-s0 --judges 2
The first is the one that a run with these settings and this seed trains now.
"""

import argparse
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path

from xaae import model as models
from xaae.experiment.seeds import seed_all
from xaae.experiment.vocabulary import WEIGHTS
from xaae.training.preparation import prepare_stopped
from xaae.training.reconstruction_judge import judge_reconstructions, train_judge


def agreements(folder, judges):
    """For so many judges the share of the held-out reconstructions of a run that they say the same of."""
    with redirect_stdout(StringIO()):
        prepared, _ = prepare_stopped(folder)
    aae, seed, found = models.load(Path(folder) / WEIGHTS["aae"]), prepared.config.seed, []
    for number in range(judges):
        own = replace(prepared, config=replace(prepared.config, seed=seed + 100 * number))
        seed_all(own.config.seed)
        with redirect_stdout(StringIO()):
            found.append(judge_reconstructions(aae, train_judge(own), prepared)["recon_agreement"])
    return found


def main():
    """Print a line for each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--judges", type=int, default=2)
    asked = parser.parse_args()
    for run in asked.runs:
        print(f"{run}: {', '.join(f'{share:.3f}' for share in agreements(run, asked.judges))}", flush=True)


if __name__ == "__main__":
    main()
