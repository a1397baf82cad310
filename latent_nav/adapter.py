"""Any autoencoder and classifier, dressed so that the rooms that walk a latent space can use them."""

import torch
from torch import nn
from torch.nn import functional as F

from xaae.experiment.errors import InputError


class Adapter(nn.Module):
    """Modules of your own behind the names used here: encode, decode, classify, discriminate.

    encoder: x (B, C, H, W) -> z (B, D). decoder: z -> x_hat (B, C, H, W). classifier: x -> logits (B, K), or (B, 1)
    when it has one logit for the second of two classes. discriminator: z -> score (B,) or (B, 1), higher for a code
    more like the training codes; None if there is none. All are put in evaluation mode: nothing is trained here.
    """

    def __init__(self, encoder, decoder, classifier, discriminator=None):
        super().__init__()
        self.encoder, self.decoder, self.classifier = encoder, decoder, classifier
        self.discriminator = discriminator
        self.eval()

    def encode(self, x):
        """x (B, C, H, W) -> z (B, D). InputError unless the encoder returns one row of numbers for each item."""
        z = self.encoder(x)
        if not torch.is_tensor(z) or z.ndim != 2:
            raise InputError(
                "The encoder must return one tensor of codes (B, D): wrap it so that it flattens or picks."
            )
        return z

    def decode(self, z):
        """z (B, D) -> x_hat (B, C, H, W)."""
        return self.decoder(z)

    def classify(self, x):
        """x (B, C, H, W) -> logits (B, K); a single logit s becomes (0, s), whose softmax is the sigmoid of s."""
        logits = self.classifier(x)
        logits = logits[:, None] if logits.ndim == 1 else logits
        return F.pad(logits, (1, 0)) if logits.shape[1] == 1 else logits

    def forward(self, x):
        return self.classify(x)

    def discriminate(self, z, y=None):
        """Scores (B,) of codes z (B, D); the class y is not looked at. InputError without a discriminator."""
        if self.discriminator is None:
            raise InputError("This model has no discriminator: give the Adapter one to score codes.")
        return self.discriminator(z).reshape(len(z))
