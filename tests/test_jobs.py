"""Laws of an audit's work: every piece is done, whoever does it; what goes wrong is raised when the rest is done."""

import json
import operator
import os
import random
import signal
import socket
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from multiprocessing import forkserver
from pathlib import Path

import dask
import psutil
import pytest
from helpers.waiting import GENEROUS, wait_until
from helpers.worker_jobs import die_once, facts_of_process, is_alone_with_its_seed, wait_for_file

from xaae.audit import workers
from xaae.audit.jobs import Jobs, choose_workers
from xaae.audit.workers import ClusterWorkers, Place, check_scheduler, do_job
from xaae.benchmarks.dask_cluster import started_cluster
from xaae.experiment.errors import InputError
from xaae.explain.process import runner

SLEEPER = """
import os, signal, sys, time
from pathlib import Path
from xaae.audit.jobs import Jobs, choose_workers

def sleep_on(folder):
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(10_000)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background of a shell ignore it
    jobs = Jobs(choose_workers(2), print, 2.0)
    for title in "one", "two":
        jobs.add(1.0, title, sleep_on, sys.argv[1])
    try:
        jobs.run()
    except KeyboardInterrupt:
        jobs.close(at_once=True)
        sys.exit(130)
"""


def environment():
    """The variables of this process, but for that which pytest changes with every test."""
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


@pytest.fixture(scope="module")
def two():
    """Two worker processes of this machine, for all tests of this file."""
    before, found = environment(), choose_workers(2)
    yield found
    found.close()
    assert environment() == before


@pytest.fixture(params=["this process", "two others", "a scheduler's"])
def jobs(request, tmp_path):
    """Jobs done by any kind of workers, and the lines that they say."""
    said = []
    workers = None if request.param == "this process" else request.getfixturevalue("two")
    if request.param == "a scheduler's":
        address = workers.ready(2).scheduler.address
        workers = ClusterWorkers(address, tmp_path / "arms", said.append)
    jobs = Jobs(workers, said.append, total=6.0)
    jobs.bar.disable = True  # whether or not somebody sees this terminal
    yield jobs, said
    jobs.bar.close()
    if request.param == "a scheduler's":
        jobs.close()
        assert not list((tmp_path / "arms").iterdir())


def test_every_piece_is_done_and_told_and_an_error_waits_for_the_others(jobs):
    work, said = jobs
    for cost, title, *what in [(1, "two", operator.add, 1, 1), (2, "six", operator.mul, 2, 3), (1, "id", os.getpid)]:
        work.add(cost, title, *what)
    found = work.run()
    assert (found["two"], found["six"]) == (2, 6) and work.done == 4
    assert (found["id"] == os.getpid()) == (work.workers is None)
    assert sorted(line.partition(";")[0].strip() for line in said) == ["id", "six", "two"]
    work.add(1, "nought", operator.truediv, 1, 0)
    work.add(1, "one", operator.truediv, 1, 1)
    with pytest.raises(ZeroDivisionError):
        work.run()
    assert work.done == 6 and work.run() == {}


def test_the_work_of_a_process_that_was_killed_is_done_by_another(two, tmp_path):
    work = Jobs(two)
    for i in range(5):
        work.add(1.0, f"sum {i}", operator.add, i, i)
    work.add(1.0, "killed", die_once, tmp_path)
    found = work.run()
    first, second = sorted(path.name for path in tmp_path.iterdir())
    assert second == f"1-{found['killed']}" and first.partition("-")[2] != second.partition("-")[2]
    assert [found[f"sum {i}"] for i in range(5)] == [0, 2, 4, 6, 8]


def test_dask_draws_nothing_from_the_generator_that_a_job_has_seeded(two, monkeypatch):
    monkeypatch.setattr("dask.sizeof.random", random)
    work = Jobs(two)
    work.add(1.0, "draws", is_alone_with_its_seed)
    assert not is_alone_with_its_seed()  # as Dask is by itself
    assert work.run() == {"draws": True}


def test_workers_listen_on_the_loopback_address_alone_and_share_the_cores(two):
    work = Jobs(two)
    work.add(1.0, "facts", facts_of_process)
    facts = work.run()["facts"]
    assert set(facts["listens"]) == set(here := facts_of_process()["listens"]) == {"127.0.0.1"} and here
    threads = os.environ.get("OMP_NUM_THREADS", workers.default_threads(2))
    assert facts["threads"] == int(threads) and facts["folder"] == os.getcwd()
    assert workers.default_threads(10_000) == 1


def test_what_a_job_prints_comes_whole(two, capfd):
    work = Jobs(two)
    for i in range(4):
        work.add(1.0, str(i), print, f"job {i}", "says so")
    work.run()
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("job")]
    assert sorted(lines) == [f"job {i} says so" for i in range(4)]


def test_a_piece_during_which_processes_die_is_told_in_a_sentence(two, monkeypatch):
    two.ready(2)
    assert two.cluster.scheduler.allowed_failures == workers.DEATHS
    monkeypatch.setattr(two.cluster.scheduler, "allowed_failures", 0)  # each death costs a start
    work = Jobs(two)
    work.add(1.0, "dies", os._exit, 1)
    work.add(1.0, "lives", operator.add, 1, 1)
    with pytest.raises(InputError, match=r"\(dies\).*fewer --workers"):
        work.run()
    assert work.done == 2


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "killed"])
def test_no_worker_is_left_behind(tmp_path, end):
    """As in a terminal, Ctrl-C goes to the workers too."""
    script, folder, temporary = tmp_path / "sleeper.py", tmp_path / "begun", tmp_path / "tmp"
    script.write_text(SLEEPER)
    folder.mkdir(), temporary.mkdir()
    with open(tmp_path / "log.txt", "w") as log:
        command, env = [sys.executable, str(script), str(folder)], os.environ | {"TMPDIR": str(temporary)}
        running = subprocess.Popen(command, stdout=log, stderr=log, env=env, cwd=tmp_path, start_new_session=True)
    begun = wait_until(lambda: found if len(found := list(folder.iterdir())) == 2 else None)
    if end == signal.SIGINT:
        os.killpg(running.pid, end)
    else:
        running.kill()
    status = running.wait(GENEROUS)
    wait_until(lambda: not any(psutil.pid_exists(int(path.name)) for path in begun), what="the workers' end")
    assert status == (130 if end == signal.SIGINT else -signal.SIGKILL)
    if end == signal.SIGINT:
        assert (tmp_path / "log.txt").read_text() == "" and not list(temporary.iterdir())
        assert {path.name for path in tmp_path.iterdir()} == {"sleeper.py", "begun", "tmp", "log.txt"}


def test_where_no_fork_server_can_be_started_workers_are_new_processes(monkeypatch):
    """Such as where the folder of temporary files has too long a name for its socket."""

    def refuse():
        raise OSError("AF_UNIX path too long")

    monkeypatch.setattr(forkserver, "ensure_running", refuse)
    assert not workers._fork_server_runs([]) and runner.processes().get_start_method() == "spawn"


def test_a_scheduler_that_is_not_there_is_refused_in_a_sentence(monkeypatch):
    monkeypatch.setattr(workers, "ANSWER", "100 ms")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(InputError, match="No Dask scheduler answers at tcp://127.0.0.1"):
            check_scheduler(f"tcp://127.0.0.1:{nobody.getsockname()[1]}")
    with pytest.raises(InputError, match="tcp://HOST:8786"):
        check_scheduler("no address")


def test_a_client_that_does_not_connect_is_closed_and_not_left_to_be_collected(monkeypatch):
    closed = []

    class Refused:
        def __init__(self, *args, **options):
            raise OSError("nobody there")

        def close(self):
            closed.append(self)

    monkeypatch.setattr("distributed.Client", Refused)
    with pytest.raises(InputError, match="OSError"):
        check_scheduler("tcp://127.0.0.1:1")
    assert len(closed) == 1


@pytest.fixture
def cluster(tmp_path):
    """A function that starts a Dask scheduler with so many workers: see `started_cluster`."""
    plain = ["--nthreads", "1", "--no-nanny", "--no-dashboard"]  # starts sooner, and nobody starts it again
    helpers = {"PYTHONPATH": str(Path(__file__).parent)}
    with ExitStack() as stack:
        yield lambda count: stack.enter_context(started_cluster(tmp_path, count, plain, helpers))


def test_a_scheduler_that_ends_is_told_in_a_sentence(cluster, tmp_path, capfd):
    running, workers, address = cluster(1)
    check_scheduler(address)
    said, at_work = [], (tmp_path / "begun").exists
    work = Jobs(choose_workers(None, address, tmp_path / "arms", said.append), said.append)
    work.add(1.0, "waits", wait_for_file, tmp_path / "begun", tmp_path / "end")
    with ThreadPoolExecutor(1) as other:
        other.submit(lambda: wait_until(lambda: at_work() or workers["worker0"].poll() is not None) and running.kill())
        with pytest.raises(InputError, match="is gone.*goes on where it was"):
            work.run()
    assert at_work()
    work.close(at_once=True)
    assert capfd.readouterr() == ("", "") and not list((tmp_path / "arms").iterdir())


def test_the_work_of_a_schedulers_worker_that_was_killed_is_done_by_the_other(cluster, tmp_path):
    _, workers, address = cluster(2)
    work, traces = Jobs(choose_workers(None, address, tmp_path / "arms", print), print), tmp_path / "traces"
    traces.mkdir()
    work.workers.ready(1).wait_for_workers(2, timeout=GENEROUS)
    work.add(1.0, "killed", die_once, traces)
    for i in range(5):
        work.add(1.0, f"sum {i}", operator.add, i, i)
    found = work.run()
    work.close()
    killed, did = (int(path.name.partition("-")[2]) for path in sorted(traces.iterdir()))
    statuses = {each.pid: each.wait(GENEROUS) if each.pid == killed else each.poll() for each in workers.values()}
    assert statuses == {killed: -signal.SIGKILL, did: None} and found["killed"] == did
    assert [found[f"sum {i}"] for i in range(5)] == [0, 2, 4, 6, 8]


def test_work_of_which_nobody_tells_any_more_is_lost_once_the_client_has_ended(monkeypatch):
    class Silent:
        """Workers, and their client, of which no piece of work ever ends."""

        place, status = None, "closing"
        ready = lambda self, jobs: self  # noqa: E731
        submit = lambda self, *args, **options: Future()  # noqa: E731
        lost = lambda self: InputError("is gone")  # noqa: E731

    monkeypatch.setattr("xaae.audit.jobs.LOOK", 0.01)
    work = Jobs(Silent())
    work.add(1.0, "waits", operator.add, 1, 1)
    with pytest.raises(InputError, match="is gone"):
        work.run()


def test_a_worker_that_does_not_see_the_files_is_refused(tmp_path):
    assert do_job(Place(proof=str(tmp_path)), operator.add, 1, 1) == (2, "")
    with pytest.raises(InputError, match="share this folder"):
        do_job(Place(proof=str(tmp_path / "elsewhere" / "file")), operator.add, 1, 1)


def test_workers_of_several_threads_are_refused(tmp_path):
    from distributed import LocalCluster

    with dask.config.set({"temporary-directory": str(tmp_path)}):
        cluster = LocalCluster(1, threads_per_worker=2, processes=False, protocol="tcp", dashboard_address=None)
    theirs = ClusterWorkers(cluster.scheduler_address, tmp_path)
    with pytest.raises(InputError, match="--nthreads 1"):
        theirs.ready(1)
    theirs.close()
    cluster.close()


def test_dask_is_loaded_only_for_work_that_it_does():
    code = "import json, sys; from xaae.audit import jobs; jobs.Jobs(jobs.choose_workers(1)).run()\n"
    code += "print(json.dumps([n for n in ('dask', 'distributed', 'torch') if n in sys.modules]))"
    assert json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout) == []
