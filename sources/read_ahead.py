"""Files that are read by several threads, a few of them ahead of the one that is asked for.

A pool's own `map` begins with all of them, and what is done waits in memory, which then grows with the number of items.
"""

from collections import deque

AHEAD = 256  # items that are read before they are asked for


def in_order(pool, work, paths):
    """What `work` returns for each path, in order; only AHEAD of them are ahead of the one that is asked for.

    pool: a ThreadPoolExecutor. What `work` raises is raised when its path is asked for.
    """
    ahead = deque()
    for path in paths:
        ahead.append(pool.submit(work, path))
        if len(ahead) >= AHEAD:
            yield ahead.popleft().result()
    while ahead:
        yield ahead.popleft().result()
