"""Laws of the processes that tests start warm: they are what a new Python would be, and can be killed like one."""

import os
import signal
import subprocess
import sys

import pytest
from helpers.places import HOME
from helpers.report_fakes import fake_run
from helpers.waiting import GENEROUS
from helpers.warm_process import LONGEST, WarmProcesses, processes

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux has the forks that are waited for")
FOREVER = [sys.executable, "-u", "-c", "print('here'); import time; time.sleep(3600)"]


def outcome(how, *args, **options):
    """What a Python said and its exit status."""
    done = how.run([sys.executable, *map(str, args)], capture_output=True, text=True, **options)
    return done.stdout, done.stderr, done.returncode


@pytest.mark.parametrize("case", ["page", "help", "none", "refused", "raises", "exits", "module"])
def test_says_what_a_new_process_says_and_ends_with_its_status(warm, tmp_path, case):
    main, nothing = HOME / "main.py", tmp_path / "nothing"
    args = {
        "page": (main, "report", fake_run(tmp_path / "run")),
        "help": (main, "train", "--help"),
        "none": (main, "trian"),
        "refused": (main, "report", nothing),
        "raises": ("-c", "import sys; print(sys.argv); sys.stderr.write('odd\\n'); raise SystemExit('told')", "a"),
        "module": ("-m", "this"),
        "exits": ("-W", "ignore", "-c", "import warnings, sys; warnings.warn('x'); sys.exit(7)"),
    }[case]
    ours, theirs = (outcome(how, *args) for how in (warm, subprocess))
    assert ours == theirs
    assert ours[2] == {"page": 0, "help": 0, "none": 2, "refused": 2, "raises": 1, "exits": 7, "module": 0}[case]


def test_what_is_given_to_it_is_read_and_what_it_says_may_be_bytes(warm):
    upper = [sys.executable, "-c", "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read().upper())"]
    assert warm.run(upper, input=b"\xffabc" * 99_999, capture_output=True).stdout == b"\xffABC" * 99_999


def test_has_its_own_folder_environment_descriptors_and_one_thread(warm, tmp_path):
    code = (
        "import os, sys; print(os.getcwd(), dict(os.environ) == {'A': 'b'}, sys.path[0] == '', sys.stdin.read() == '',"
    )
    code += "len(os.listdir('/proc/self/task')), len(os.listdir('/proc/self/fd')))"
    here = outcome(warm, "-c", code, cwd=tmp_path, env={"A": "b"})
    assert here == (f"{tmp_path} True True True 1 4\n", "", 0)  # three streams, and the folder that is listed


def test_has_loaded_the_libraries_and_nothing_of_the_project(warm):
    code = "import sys; names = {n.split('.')[0] for n in sys.modules}; print('torch' in names, 'xaae' in names)"
    assert outcome(warm, "-c", code)[0] == "True False\n"


def test_two_processes_draw_different_numbers(warm):
    draws = [outcome(warm, "-c", "import random, numpy; print(random.random(), numpy.random.rand())")[0] for _ in "ab"]
    assert not set(draws[0].split()) & set(draws[1].split())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_reaches_it_and_is_its_status(warm, number):
    process = warm.Popen(FOREVER, stdout=warm.PIPE, stderr=warm.PIPE, text=True)
    assert process.stdout.readline() == "here\n" and process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0)
    process.send_signal(number)
    assert process.communicate(GENEROUS)[0] == "" and process.returncode == process.poll() == -number


def test_a_session_of_its_own_is_killed_as_one(warm):
    process = warm.Popen(FOREVER, stdout=warm.PIPE, start_new_session=True)
    assert process.stdout.readline() == b"here\n" and os.getpgid(process.pid) == process.pid
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait(GENEROUS) == -signal.SIGKILL


def test_a_file_takes_what_it_says(warm, tmp_path):
    with open(tmp_path / "log.txt", "w") as log:
        assert warm.Popen([sys.executable, "-c", "print(1); 1 / 0"], stdout=log, stderr=log).wait(GENEROUS) == 1
    said = (tmp_path / "log.txt").read_text()
    assert "1\n" in said and "ZeroDivisionError" in said


def test_what_is_no_python_and_a_folder_with_too_long_a_name_are_left_to_subprocess(warm, tmp_path):
    with pytest.raises(ValueError, match="only"):
        warm.Popen(["git", "status"])
    with processes(tmp_path) as short, processes(tmp_path / ("a" * LONGEST)) as long:
        assert isinstance(short, WarmProcesses) and long is subprocess
