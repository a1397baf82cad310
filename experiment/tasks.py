"""What is predicted of an item. A task says only what it is.

Each room that does something different for each task (head, loss, metrics, targets, decision, direction) keeps its
choice in a dict by the task's name.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """name: as in settings and files. about: what an item has, in a sentence."""

    name: str
    about: str


CLASSES = Task("classes", "each item has one class of two or more")
TASKS = {task.name: task for task in (CLASSES,)}
