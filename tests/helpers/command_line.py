"""The command line, run in this process."""

from click.testing import CliRunner

SMALL = ["--preset", "smoke", "--no-pretrained"]  # nothing is fetched, whatever this machine is connected to
TINY = [*SMALL, "--items", "80", "--epochs", "1", "--starts", "4", "--random-directions", "4"]
EXACT = ["--precision", "fp32"]  # the same numbers whether or not this machine computes bf16 in hardware
BRIEFLY = ["--directions", "lda", "--maps", "pca", "--counterfactuals", "4"]  # the smallest navigation

TOY_FACTORS = ("rotation", "brightness", "tag")  # by which the run of `toy_run` is scanned
TOY_METHODS = ("saliency", "gradcam")  # by which it is explained


def call(*args):
    """Run `main.py` with these arguments: click's result, stdout and stderr apart."""
    from xaae.main import main

    return CliRunner().invoke(main, [str(a) for a in args], prog_name="main.py")


def succeed(*args):
    """Run `main.py` with these arguments; what it printed. Fails, and shows why, unless the exit status is 0."""
    result = call(*args)
    assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"
    return result.output


def refused(result, *words):
    """Was this refused in one clear sentence that holds these words, with exit status 2 and no traceback?"""
    message = result.stderr.strip().splitlines()
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.stderr and len(message[-1]) > 20
    assert all(word in result.stderr for word in words), result.stderr
    return True
