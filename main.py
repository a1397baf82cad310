"""xAAE: see what your classifier really learned. The door: it names the commands; `cli/` holds one file for each."""

import sys
from pathlib import Path

HOME = Path(__file__).resolve().parent
COMMANDS = "run data train scan navigate explain predict evaluate rate tutorial audit report app cache".split()


def _refuse(sentence):
    """One sentence on stderr, exit status 2."""
    print(f"Error: {sentence}", file=sys.stderr)
    sys.exit(2)


try:
    import click

    import xaae
    from xaae.cli.door import Door
except ModuleNotFoundError as e:
    _refuse(f"xAAE is not installed in this Python ({e}): run `pip install -e .` in {HOME}.")


@click.group(
    cls=Door,
    names=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
def main():
    """xAAE: see what your classifier really learned.

    \b
    python main.py data PATH       looks at your data before anything is trained
    python main.py                 trains, walks, compares and writes a report, on the data found or drawn here
    python main.py --dry-run       shows what that would do
    python main.py run --help      shows every setting
    python main.py --preset smoke  does the whole job in a minute and a half
    """


def _refuse_other_clone():
    """Exit if the code that would run is not the code beside this file."""
    installed = Path(xaae.__path__[0]).resolve()
    if installed != HOME:
        _refuse(
            f"This is {HOME / 'main.py'}, but Python has xAAE installed from {installed}: run main.py there, or"
            f" `pip install -e .` in {HOME}."
        )


if __name__ == "__main__":
    _refuse_other_clone()
    main()
