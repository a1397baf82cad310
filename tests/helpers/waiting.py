"""Waiting for what another process does. Nothing else in the tests waits."""

import time

GENEROUS = 600  # seconds: only a test that fails waits as long


def wait_until(happened, deadline=GENEROUS, what="the event"):
    """Ask `happened()` again and again until it answers with something true; return that. TimeoutError at the deadline.

    The deadline is for a machine that hangs, not a law of speed: pass what can be observed (a file, a line of output,
    the end of a process), and let the test go on as soon as it is there.
    """
    end = time.monotonic() + deadline
    while not (found := happened()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not happen within {deadline} seconds")
        time.sleep(0.02)
    return found
