"""What a network returns: logits, probabilities, log-probabilities; one output as a binary head."""

import torch
from torch import nn

FORMS = {  # name of autograd's node -> form
    "SoftmaxBackward0": "softmax",
    "LogSoftmaxBackward0": "log-softmax",
    "SigmoidBackward0": "sigmoid",
    "LogSigmoidBackward0": "log-sigmoid",
}
SHAPING = ("View", "Squeeze", "Unsqueeze", "Reshape", "Clone", "Alias", "Slice", "Transpose", "Permute", "ToCopy")
PROBABILITIES = {  # form -> answers (B, K) as probabilities; any other form is one of logits
    "softmax": lambda answers: answers,
    "sigmoid": lambda answers: answers,
    "log-softmax": lambda answers: answers.exp(),
    "log-sigmoid": lambda answers: answers.exp(),
}
RANDOM = (
    "the network answers one item differently each time: it draws random numbers in evaluation mode too, such as "
    "F.dropout without training=self.training"
)
SAID = {
    "softmax": "it returns probabilities (softmax)",
    "sigmoid": "it returns probabilities (sigmoid)",
    "log-softmax": "it returns logarithms of probabilities (log-softmax)",
    "log-sigmoid": "it returns logarithms of probabilities (log-sigmoid)",
}


def form_of_answers(network, x):
    """ "softmax", "sigmoid", "log-softmax", "log-sigmoid", or "" for logits: by the last step, or by the values.

    x: items (B, C, *places). Values tell where the probabilities of several classes sum to 1, whatever computed them.
    """
    with torch.enable_grad():
        answers = network(x.clone().requires_grad_().clone())  # some networks write on their input
    form = _by_last_step(answers.grad_fn)
    return form or _by_values(answers.detach().double())


def _by_last_step(node):
    """The form by the last step of autograd's graph that is more than a change of shape."""
    while node is not None and type(node).__name__.startswith(SHAPING) and node.next_functions:
        node = node.next_functions[0][0]
    return FORMS.get(type(node).__name__, "")


def _by_values(answers):
    """The form of answers (B, K) by their values; "" for one class, whose values tell nothing."""
    sums_to_1 = lambda p: bool((p >= 0).all() and (p.sum(1) - 1).abs().max() < 1e-4)  # noqa: E731
    if answers.shape[1] < 2:
        return ""
    return "softmax" if sums_to_1(answers) else "log-softmax" if sums_to_1(answers.exp()) else ""


def as_probabilities(answers, form="", binary=False):
    """Answers (B, K) as probabilities (B, K). binary: of a BinaryHead, whose answers are those of two classes."""
    if not binary:
        return PROBABILITIES.get(form, lambda logits: logits.softmax(1))(answers)
    one = answers[:, 1:]
    p = PROBABILITIES[form](one) if form in PROBABILITIES else one.sigmoid()
    return torch.cat([1 - p, p], 1)


class BinaryHead(nn.Module):
    """One answer z (B, 1) as the answers (-z, z) of two classes, (B, 2): what speaks for one speaks against the other.

    Relevance is shared in proportion.
    """

    relevance_rule = "norm"

    def forward(self, z):
        return torch.cat([-z, z], 1)
