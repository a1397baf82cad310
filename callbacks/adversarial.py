"""The adversarial game on the latent codes (Makhzani et al. 2015), with the hinge loss of Lim & Ye 2017."""

import torch
import torch.nn.functional as F
from fastai.callback.core import Callback

from xaae.experiment.light_adam import LightAdam


def one_hot(y, classes):
    """Targets as floats (B, K), whether they came as categories (B,) or one-hot (B, K)."""
    return y.float() if y.ndim == 2 else F.one_hot(y.long(), classes).float()


def _nothing_known(y, outputs):
    """Of items without one class each the prior knows nothing: all are 0 (B, outputs)."""
    return torch.zeros(len(y), outputs, device=y.device)


CONDITIONS = {
    "classes": one_hot,
    "severity": _nothing_known,
    "labels": _nothing_known,
}  # task -> what prior and discriminator know of an item: (targets, K) -> (B, K)


def _hinge_real(score):
    """Loss of the discriminator on codes of the prior: their scores should pass +1."""
    return F.relu(1 - score).mean()


def _hinge_fake(score):
    """Loss of the discriminator on codes of the encoder: their scores should stay below -1."""
    return F.relu(1 + score).mean()


class Adversarial(Callback):
    """Two steps a batch: the autoencoder is drawn towards the prior, then the discriminator learns from both.

    After the loss: adds `weight` * (-mean score of the codes) to the autoencoder's loss; the discriminator's weights
    take no gradient from it. After the batch: one step of the discriminator's own optimiser on detached codes, so
    that the encoder takes none either. Validation measures the same sum, which early stopping and the choice of the
    best model watch, and trains nothing. Both steps are in full precision.
    Reads `learn.pred` = (logits, x_hat, z) and leaves `learn.loss_func.parts["adversarial"]` and `["discriminator"]`.
    """

    order = 5  # before gradient accumulation (6) divides the loss, so that this part is divided with the others

    def __init__(self, weight=0.2, lr=1e-3, betas=(0.5, 0.99), real=_hinge_real, fake=_hinge_fake, lead=None):
        self.weight, self.discriminator_lr, self.betas = weight, lr, betas
        self.real_loss, self.fake_loss, self.lead_loss = real, fake, lead or (lambda score: -score.mean())

    def before_fit(self):
        net = self.model.discriminator
        if not hasattr(self, "discriminator_opt"):
            options = {"betas": self.betas, "fused": True}
            self.discriminator_opt = LightAdam(net.parameters(), self.discriminator_lr, **options)

    def after_loss(self):
        if not self.yb:
            return
        self.code = self.model.content(self.pred[2]).float()
        onehot = CONDITIONS[self.model.task.name](self.yb[0], self.model.classes)
        self.onehot = onehot.repeat(len(self.code) // len(onehot), 1)  # items may come in two versions
        self.model.discriminator.requires_grad_(False)
        with torch.autocast(self.code.device.type, enabled=False):  # mixed precision is left later, at order 10
            loss = self.lead_loss(self.model.discriminate(self.code, self.onehot))
        self.model.discriminator.requires_grad_(True)
        self.loss_func.parts["adversarial"] = loss.detach()
        if self.loss_func.reduction != "none":  # else each item's own loss is asked for, and this is the batch's
            self.learn.loss_grad = self.learn.loss_grad + self.weight * loss
            self.learn.loss = self.learn.loss_grad.detach().clone()

    def after_batch(self):
        if not self.yb:
            return
        with torch.set_grad_enabled(self.training):
            loss = self.discriminator_loss()
        self.loss_func.parts["discriminator"] = loss.detach()
        if self.training:
            self.discriminator_opt.zero_grad()
            loss.backward()
            self.discriminator_opt.step()

    def discriminator_loss(self):
        """Loss on one batch of codes and as many draws of the prior; keeps the scores for the health log."""
        real = self.model.sample_prior(self.onehot)
        self.scores = (
            self.model.discriminate(real, self.onehot),
            self.model.discriminate(self.code.detach(), self.onehot),
        )
        return self.real_loss(self.scores[0]) + self.fake_loss(self.scores[1])
