"""How well the codes keep to the prior, as columns of the log."""

import torch
from fastai.learner import Metric


class CodeMoments(Metric):
    """Mean and covariance of the codes, less the prior's means, against N(0, I).

    what = "mean": norm of the mean vector, 0 at the prior. what = "covariance": Frobenius norm of the covariance less
    the identity over the square root of D, 0 at the prior, 1 for codes that do not vary.
    """

    def __init__(self, what):
        self.what = what

    @property
    def name(self):
        return {"mean": "code_mean_norm", "covariance": "code_cov_error"}[self.what]

    def reset(self):
        self.count, self.total, self.products = 0, 0.0, 0.0

    def accumulate(self, learn):
        game = learn.adversarial
        z = (game.code.detach() - game.onehot @ learn.model.prior_means).cpu().double()
        self.count, self.total, self.products = self.count + len(z), self.total + z.sum(0), self.products + z.T @ z

    @property
    def value(self):
        mean = self.total / self.count
        if self.what == "mean":
            return float(mean.norm())
        covariance = (self.products - self.count * torch.outer(mean, mean)) / (self.count - 1)
        return float((covariance - torch.eye(len(mean))).norm() / len(mean) ** 0.5)


class DiscriminatorAccuracy(Metric):
    """Share of codes and draws of the prior that the discriminator tells apart; 0.5 is a game well played."""

    name = "discriminator_accuracy"

    def __init__(self, boundary=0.0):
        self.boundary = boundary

    def reset(self):
        self.right = self.count = 0

    def accumulate(self, learn):
        real, fake = learn.adversarial.scores
        self.right += int((real > self.boundary).sum() + (fake <= self.boundary).sum())
        self.count += len(real) + len(fake)

    @property
    def value(self):
        return self.right / self.count if self.count else None
