"""How the door behaves: `run` need not be typed, bad input is one sentence, long work says how long it took."""

import time
from functools import wraps

import click

from xaae.experiment.errors import InputError


class Door(click.Group):
    """A group whose command `run` need not be typed: `python main.py --dataset pets` is a run."""

    def parse_args(self, ctx, args):
        if not args or (args[0].startswith("-") and args[0] not in ("--help", "-h")):
            args = ["run", *args]
        return super().parse_args(ctx, args)


class Refused(click.ClickException):
    """Bad input: one sentence, exit status 2."""

    exit_code = 2


def refuse(command):
    """Turn a room's InputError into one sentence on stderr and exit status 2."""

    @wraps(command)
    def guarded(*args, **kwargs):
        try:
            return command(*args, **kwargs)
        except InputError as e:
            raise Refused(" ".join(str(e).split())) from None

    return guarded


def timed(what, work):
    """Say what is being done, do it, say how long it took."""
    began = time.perf_counter()
    click.echo(f"{what} ...")
    result = work()
    click.echo(f"{what}: {time.perf_counter() - began:.0f} s")
    return result


def alone(name):
    """InputError if another option than this one was given too."""
    ctx = click.get_current_context()
    given = [p for p in ctx.params if ctx.get_parameter_source(p) == click.core.ParameterSource.COMMANDLINE]
    if others := [f"--{p.replace('_', '-')}" for p in given if p != name]:
        raise InputError(f"--{name} takes no other option: leave out {', '.join(others)}.")
