"""Laws of codes: rows keep their order, features are what the last layer sees."""

import numpy as np
import torch
from helpers.toys import small_aae

from xaae import model as models
from xaae.latent_nav import codes


def test_codes_keep_the_order_of_rows():
    aae, x = small_aae(), torch.rand(700, 1, 16, 16)
    z, logits = codes.encode_items(aae, lambda rows: x[rows], np.arange(700))
    np.testing.assert_allclose(z, aae.encode(x).detach().numpy(), atol=1e-5)
    assert logits.shape == (700, 2)


def test_features_are_what_the_last_layer_sees():
    network = models.baseline(2, 1).eval()
    x = torch.rand(5, 1, 32, 32)
    found = codes.last_layer_inputs(network, lambda rows: x[rows], np.arange(5))
    answer = network[1][-1](torch.from_numpy(found))
    torch.testing.assert_close(answer, network(x), atol=1e-4, rtol=1e-4)
    assert not network[1][-1]._forward_pre_hooks
