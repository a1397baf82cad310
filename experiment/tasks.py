"""What is predicted of an item. A task says only what it is.

Each room that does something different for each task (head, loss, metrics, targets, decision, direction) keeps its
choice in a dict by the task's name. Rooms that need two sides to lead from and to (walks, contrasts, counterfactuals,
scans) get them of every task: of classes as they are, of a severity "low" and "high", below and above its median, of
labels "absent" and "present" of the first one.
"""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Task:
    """name: as in settings and files. about: what an item has, in a sentence. direction: the kind of the main one.

    measure: (name in train.json, what it is called) of the number that says how good a model is.
    """

    name: str
    about: str
    direction: str
    measure: tuple


CLASSES = Task("classes", "each item has one class of two or more", "lda", ("accuracy", "Accuracy"))
SEVERITY = Task("severity", "each item has a number", "ridge", ("spearman", "Spearman"))
LABELS = Task("labels", "each item has several labels: present, absent or unknown", "lda", ("auroc", "Mean AUROC"))
TASKS = {task.name: task for task in (CLASSES, SEVERITY, LABELS)}
UNKNOWN = "(unknown)"  # in the column label: what is led from and to is not known of this item


@dataclass(frozen=True)
class Target:
    """What a run predicts, of which columns of its table.

    columns: one number column of a severity, one column for each label; names: what the user calls them. unit: of a
    severity. mean, std: of a severity in training, by which the models see it. middle: its median, between the sides.
    classes: names in the order of the logits, of the sides where the task is another than classes. one_hot: are classes
    learned as one answer each, yes or no, as in the thesis?
    """

    task: str = CLASSES.name
    columns: tuple = ()
    classes: tuple = ()
    names: tuple = ()
    unit: str = ""
    mean: float = 0.0
    std: float = 1.0
    middle: float = 0.0
    one_hot: bool = False

    @property
    def outputs(self):
        """How many numbers a model gives for an item."""
        return {CLASSES.name: len(self.classes), SEVERITY.name: 1, LABELS.name: len(self.columns)}[self.task]

    @property
    def noun(self):
        """What is predicted, in words: "scale (cm)"."""
        return f"{self.names[0]} ({self.unit})" if self.unit else "".join(self.names[:1])

    def sides_of(self, label):
        """Names of the two sides of a label: "no dog", "dog"."""
        return f"no {label}", label

    def as_dict(self):
        """Ready for JSON; {} for classes, of which the settings say everything."""
        return {} if self.task == CLASSES.name else asdict(self)


def target_of(config):
    """The Target of a run's config, an object or what config.json holds."""
    read = config.get if isinstance(config, dict) else lambda name: getattr(config, name, None)
    given = read("target") or {}
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    classes = {"classes": tuple(map(str, read("classes") or ()))}
    return Target(**classes | given | {"one_hot": bool(read("one_hot"))})
