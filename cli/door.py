"""How every command behaves: found by its name, refused in one sentence, timed, stopped by Ctrl-C."""

import shlex
import sys
import time
from contextlib import contextmanager
from importlib import import_module

import click

from xaae.experiment.errors import InputError
from xaae.experiment.machine import quieten
from xaae.experiment.process_group import process_count, process_rank
from xaae.experiment.whole_file import disk_refusal

USUAL = "run"  # the command of `python main.py` without a word
SHARED = (USUAL, "train")  # commands whose training several processes can share
TIMES = "xaae.times"  # name in a click context of (work, seconds) of what was timed
STOPPED = 130  # exit status after Ctrl-C, as in a shell
AFTERWARDS = "xaae.afterwards"  # name in a click context of what a job says of Ctrl-C in place of its parts


class Door(click.Group):
    """The group of all commands. Each lies in `xaae.cli.NAME` as `NAME_command` and is imported when it is asked for.

    `python main.py --dataset pets` is `python main.py run --dataset pets`.
    """

    def __init__(self, *args, names=(), **kwargs):
        super().__init__(*args, **kwargs)
        self.names = tuple(names)

    def list_commands(self, ctx):
        """The names of the commands, in the order of the work."""
        return list(self.names)

    def get_command(self, ctx, name):
        """The command of this name, or None if there is none."""
        if name not in self.names:
            return None
        return getattr(import_module(f"xaae.cli.{name}"), f"{name}_command")

    def parse_args(self, ctx, args):
        """Put `run` before options that follow no command."""
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = [USUAL, *args]
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx, args):
        """(name, command, its arguments). InputError for a command that several processes cannot share."""
        name, command, rest = super().resolve_command(ctx, args)
        if process_count() > 1 and name not in SHARED:
            raise InputError(f"Several processes can share {' and '.join(SHARED)} alone: run {name} in one process.")
        return name, command, rest

    def invoke(self, ctx):
        """Run a command; an InputError, and a disk that refuses, becomes one sentence on stderr and exit status 2."""
        quieten()
        try:
            return super().invoke(ctx)
        except InputError as e:
            raise Refused(" ".join(str(e).split())) from None
        except (OSError, RuntimeError) as e:
            if not (sentence := disk_refusal(e)):
                raise
            raise Refused(sentence) from None
        except KeyboardInterrupt:
            say_stopped("the same command starts it again")


class Refused(click.ClickException):
    """Bad input: one sentence, exit status 2."""

    exit_code = 2


@contextmanager
def timed(work):
    """Say what is being done and, when it is done, how many seconds it took, which `times_in_words` tells again."""
    began = time.perf_counter()
    click.echo(f"{work} ...")
    yield
    seconds = time.perf_counter() - began
    click.echo(f"{work}: {seconds:.0f} s")
    if ctx := click.get_current_context(silent=True):
        ctx.meta.setdefault(TIMES, []).append((work, seconds))


def times_in_words(seconds, beside=None):
    """How long this command took as a whole, and each `timed` part of it, in a line.

    beside {work: seconds}: what a second process did meanwhile.
    """
    parts = [f"{work} {taken:.0f} s" for work, taken in click.get_current_context().meta.get(TIMES, [])]
    parts += [f"beside that {work} {taken:.0f} s" for work, taken in (beside or {}).items()]
    return f"Took {seconds:.0f} s: {', '.join(parts)}."


@contextmanager
def stoppable(words, next_command=""):
    """Ctrl-C ends the command with these words and exit status 130; the command to type next has a line of its own."""
    try:
        yield
    except KeyboardInterrupt:
        say_stopped(words, next_command)


def say_stopped(words, next_command=""):
    """End the command after Ctrl-C, see `stoppable`; without a word where another process of one training speaks."""
    if ctx := click.get_current_context(silent=True):
        words, next_command = ctx.meta.get(AFTERWARDS, (words, next_command))
    if not process_rank():
        click.echo(f"\nStopped: {words}." + (f" Next:\n  {next_command}" if next_command else ""), err=True)
    sys.exit(STOPPED)


def going_on_by(words, next_command):
    """From now on Ctrl-C ends this command with these words and the command to type next, whatever part is at work."""
    click.get_current_context().meta[AFTERWARDS] = words, next_command


def announce_loading():
    """Say that PyTorch is being loaded, which takes some seconds."""
    click.echo("xAAE: loading PyTorch and fastai ...")


def typed_command(**instead):
    """The command as it was typed, for the records of a run.

    instead {option: value, True for a flag}: what takes the place of options that were typed, for the next command.
    """
    typed, words = [], iter(sys.argv[1:])
    for word in words:
        name, _, value = word.removeprefix("--").partition("=")
        if not (word.startswith("--") and name in instead):
            typed.append(word)
        elif instead[name] is not True and not value:
            next(words, None)  # its value
    more = [w for name, value in instead.items() for w in (f"--{name}", value) if w is not True]
    return " ".join(["python main.py", *(shlex.quote(str(word)) for word in (*typed, *more))])


def refuse_other_options(name, *allowed):
    """InputError if any option was typed but this one and those that are allowed with it."""
    ctx = click.get_current_context()
    typed = [p for p in ctx.params if ctx.get_parameter_source(p) == click.core.ParameterSource.COMMANDLINE]
    if others := [f"--{p.replace('_', '-')}" for p in typed if p not in (name, *allowed)]:
        raise InputError(f"--{name} takes no such option: leave out {', '.join(others)}.")
