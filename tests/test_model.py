"""Laws of what is learned: shapes at every size, save and load, the prior, the thesis's own architecture."""

import pytest
import torch

from xaae import model as models
from xaae.experiment.errors import InputError
from xaae.training.thesis import ThesisAAE


@pytest.mark.parametrize("size", [16, 28, 33, 64, 96, 250])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_forward_is_the_figure(size, channels):
    aae = models.AAE(size, channels, 6, 4, classes=3)
    x = torch.rand(2, channels, size, size)
    logits, x_hat, z = aae(x)
    assert logits.shape == (2, 3) and x_hat.shape == x.shape and z.shape == (2, 6)
    assert 0 <= x_hat.min() and x_hat.max() <= 1


def test_the_largest_size():
    x = torch.rand(2, 1, 512, 512)
    assert models.AAE(512, 1, 4, 2)(x)[1].shape == x.shape


@pytest.mark.parametrize(
    "arguments", [{"input_size": 8}, {"input_size": 513}, {"classes": 1}, {"prior": "wide"}, {"noise": -1}]
)
def test_settings_that_make_no_sense(arguments):
    with pytest.raises(InputError):
        models.AAE(**arguments)


def test_codes_take_any_sign_and_have_unit_spread():
    aae = models.AAE(16, 1, 8, 4).train()
    z = aae.encode(torch.rand(256, 1, 16, 16))
    assert (z < 0).any() and (z > 0).any()
    torch.testing.assert_close(z.std(0), torch.ones(8), atol=0.05, rtol=0)


def test_noise_on_the_code_in_training_only():
    aae = models.AAE(16, 1, 8, 4, noise=0.5)
    x = torch.rand(8, 1, 16, 16)
    assert not torch.equal(aae(x)[1], aae(x)[1])
    aae.eval()
    assert torch.equal(aae(x)[1], aae(x)[1])


@pytest.mark.parametrize("classes", [2, 4])
def test_the_class_prior_has_one_middle_a_class(classes):
    aae = models.AAE(16, 1, 6, 4, classes=classes, prior="class")
    y = torch.eye(classes).repeat_interleave(4000, 0)
    z = aae.sample_prior(y).view(classes, 4000, 6)
    torch.testing.assert_close(z.mean(1), aae.prior_means, atol=0.1, rtol=0)
    torch.testing.assert_close(z.std(1), torch.ones(classes, 6), atol=0.1, rtol=0)
    assert aae.prior_means.norm(dim=1).allclose(torch.tensor(2.0))
    code = aae.train().encode(torch.rand(256, 1, 16, 16))
    torch.testing.assert_close(code.var(0, correction=0), 1 + aae.prior_means.var(0, correction=0), atol=0.1, rtol=0)


def test_the_discriminator_sees_single_codes():
    aae = models.AAE(16, 1, 8, 4).eval()
    z = torch.randn(6, 8)
    torch.testing.assert_close(aae.discriminate(z)[2:3], aae.discriminate(z[2:3]))


@pytest.mark.parametrize(
    "make",
    [
        lambda: models.AAE(28, 1, 5, 4, "silu", 3, 0.1, "class"),
        lambda: ThesisAAE(32, 3, 8, 2),
        lambda: models.baseline(3, 1),
    ],
)
def test_saved_and_loaded_it_answers_the_same(make, tmp_path):
    network = make().eval()
    x = torch.rand(2, network.arguments["input_channels"], 32, 32)
    x = x[..., :28, :28] if network.arguments.get("input_size") == 28 else x
    models.save(network, tmp_path / "m.safetensors")
    again = models.load(tmp_path / "m.safetensors")
    assert again.arguments == network.arguments
    torch.testing.assert_close(models.classify(again, x), models.classify(network, x), rtol=0, atol=0)


def test_files_that_hold_no_model(tmp_path):
    (tmp_path / "m.safetensors").write_bytes(b"\x00" * 40)
    for path in (tmp_path / "m.safetensors", tmp_path / "none.safetensors"):
        with pytest.raises(InputError):
            models.load(path)


def test_a_nonlinearity_without_a_name_cannot_be_saved(tmp_path):
    with pytest.raises(InputError, match="by name"):
        models.save(models.AAE(16, 1, 4, 4, nonlinearity=torch.nn.LeakyReLU(0.3)), tmp_path / "m.safetensors")


def test_the_thesis_decoder_hangs_on_sixteen_numbers():
    thesis = ThesisAAE(128).eval()
    assert thesis.decoder[0].in_features == 128 and thesis.decoder[0].out_features == 16
    x = torch.rand(2, 3, 128, 128)
    _, x_hat, z = thesis(x)
    assert x_hat.shape == x.shape and (z >= 0).all()
    null = torch.linalg.svd(thesis.decoder[0].weight.detach()).Vh[16:]
    torch.testing.assert_close(thesis.decode(z + null[:2]), x_hat, atol=1e-4, rtol=1e-3)
