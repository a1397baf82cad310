"""The work of an audit, also in several processes or on several machines, with one bar over all of it."""

import sys
import time
import uuid
from concurrent.futures import Future
from queue import Empty, SimpleQueue

from tqdm.auto import tqdm

from xaae.audit.workers import ClusterWorkers, LocalWorkers, do_job

LOOK = 5.0  # seconds between two looks whether Dask's client still has a scheduler
LOST = ("closing", "closed")  # the client's status once it has given its scheduler up


class Jobs:
    """Pieces of work with one bar over all of them and an estimate of the time left.

    workers: None: all is done in this process. LocalWorkers or ClusterWorkers: by them; a worker that ends by itself is
    replaced, and its piece of work done again. say(line): tells what is done where nobody sees a bar. total: cost of
    all work, in any unit. name: of the bar.
    """

    def __init__(self, workers=None, say=print, total=0.0, name="audit"):
        self.workers, self.say, self.total, self.done = workers, say, total, 0.0
        self.began, self.waiting = time.perf_counter(), []
        form = "{l_bar}{bar}| {elapsed} gone, {remaining} left"
        self.bar = tqdm(total=total, desc=name, disable=None, bar_format=form)

    def add(self, cost, title, function, *arguments):
        """One more piece of work: function(*arguments). title: no two pieces have the same."""
        self.waiting.append((cost, title, function, arguments))

    def run(self):
        """Do what was added: {title: result}.

        A piece that raises is raised at the end, when all others are done; InputError if its workers ended again and
        again, and at once if there is nobody left who does it.
        """
        work, self.waiting, results, errors = self.waiting, [], {}, []
        for cost, title, future, under_way in self._side_by_side(work) if self.workers else _one_by_one(work):
            error = self._error(future, title)
            errors += [error] * bool(error)
            results[title] = None if error else future.result()
            self._tell(cost, title, under_way)
        if errors:
            raise errors[0]
        return results

    def _side_by_side(self, work):
        """Each piece as it ends: (cost, title, Future, cost of the pieces that are being done)."""
        if not work:
            return
        client, name = self.workers.ready(len(work)), f"audit-{uuid.uuid4().hex}"
        running = {
            client.submit(do_job, self.workers.place, f, *arguments, key=f"{name}-{i}", pure=False): (cost, title)
            for i, (cost, title, f, arguments) in enumerate(work)
        }
        ended = SimpleQueue()  # whose waiting can be interrupted at any moment, with no lock left behind
        for future in list(running):
            future.add_done_callback(ended.put)
        while running:
            try:
                future = ended.get(timeout=LOOK)
            except Empty:
                if client.status in LOST:  # and of what it was waiting for nobody will tell
                    raise self.workers.lost() from None
                continue
            if future.cancelled():
                raise self.workers.lost()
            cost, title = running.pop(future)
            under_way = sum(c for c, _ in list(running.values())[: self.workers.at_once()])
            yield cost, title, self._without_words(future), under_way

    def _without_words(self, future):
        """The result of do_job without what it printed, which is shown above the bar."""
        if future.status != "finished":
            return future
        result, words = future.result()
        if words.strip():
            self.bar.write(words.rstrip(), file=sys.stderr)
        return _ended(result)

    def _error(self, future, title):
        """What a piece of work raised, or None; InputError where it is not its own fault."""
        error = future.exception()
        return self.workers.given_up(title) if type(error).__name__ == "KilledWorker" else error

    def _tell(self, cost, title, under_way):
        """One piece is done: move the bar, or say a line. under_way: cost of those being done, half done on average."""
        self.done += cost
        self.bar.update(min(cost, self.total - self.bar.n))
        if self.bar.disable:
            gone = time.perf_counter() - self.began
            done = self.done + under_way / 2
            left = gone / done * max(self.total - done, 0)
            self.say(f"  {title}; {gone / 60:.0f} min gone, about {left / 60:.0f} min left")

    def close(self, at_once=False):
        """End the workers; at_once: also what is running."""
        self.bar.close()
        if self.workers is None:
            return
        if at_once:
            self.workers.kill()
        self.workers.close()


def choose_workers(count, scheduler=None, folder=".", say=print, preload=()):
    """Who does the jobs: None for this process alone, LocalWorkers for `count` others, ClusterWorkers of a scheduler.

    scheduler: address of a Dask scheduler, whose workers have to see `folder`. preload: see LocalWorkers.
    """
    if scheduler:
        return ClusterWorkers(scheduler, folder, say)
    return LocalWorkers(count, preload) if count > 1 else None


def _one_by_one(work):
    """Each piece, done in this process: (cost, title, Future, 0: nothing else is being done)."""
    for cost, title, function, arguments in work:
        try:
            future = _ended(function(*arguments))
        except Exception as e:
            future = Future()
            future.set_exception(e)
        yield cost, title, future, 0.0


def _ended(result):
    """A Future that holds this result."""
    future = Future()
    future.set_result(result)
    return future
