"""Eq. 2: the masked denoising loss, its gradients, and the loss of stage 2."""

from dataclasses import replace

import pytest
import torch

from dd_tools.diffdub.autoencoder import DiffusionAutoencoder
from dd_tools.diffdub.diffusion import keep_known, q_sample, signal_and_noise
from dd_tools.diffdub.motion_loss import LatentLoss
from dd_tools.diffdub.motion_network import MotionNetwork
from dd_tools.diffdub.motion_training import PRESETS as MOTION_PRESETS
from dd_tools.diffdub.objective import MaskedDenoisingLoss
from dd_tools.diffdub.renderer_training import PRESETS

TINY = PRESETS["tiny"].config
SIZE = TINY.size


@pytest.fixture
def network():
    """A tiny renderer, every parameter drawn anew."""
    network = DiffusionAutoencoder(TINY)
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.data = 0.2 * torch.randn(parameter.shape, generator=generator)
    return network


def dummy_batch(**changes) -> dict[str, torch.Tensor]:
    """What `RendererData` gives, of two random samples; 16 × 16 of 32 × 32 pixels are to be painted."""
    generator = torch.Generator().manual_seed(1)
    names = ("image", "eps", "face", "reference")
    batch = {name: torch.randn(2, 3, SIZE, SIZE, generator=generator).clamp(-1, 1) for name in names}
    batch |= {"mask": torch.zeros(2, 1, SIZE, SIZE), "t": torch.tensor([999, 300])}
    batch["mask"][:, :, 8:24, 8:24] = 1
    return batch | changes


def test_the_loss_is_the_error_inside_the_mask_over_the_number_of_all_pixels(network):
    batch = dummy_batch()
    signal, sigma = signal_and_noise(batch["t"])
    noised = batch["image"].clone()
    inside = (..., slice(8, 24), slice(8, 24))
    noised[inside] = (signal * batch["image"] + sigma * batch["eps"])[inside]
    with torch.no_grad():
        predicted = network(noised, batch["reference"], batch["t"], network.encode(batch["face"]))
        error = (batch["eps"] - predicted)[inside]
        loss = MaskedDenoisingLoss(network)(batch)
    torch.testing.assert_close(loss, error.square().sum() / (2 * 3 * SIZE * SIZE))


def test_a_network_that_predicts_v_is_compared_with_v(network):
    """v is the derivative of x_t with respect to the angle whose cosine is sqrt(alpha_bar)."""
    batch = dummy_batch()
    signal, sigma = signal_and_noise(batch["t"])
    noised = keep_known(q_sample(batch["image"], batch["t"], batch["eps"]), batch["image"], batch["mask"])
    with torch.no_grad():
        predicted = network(noised, batch["reference"], batch["t"], network.encode(batch["face"]))
        network.config = replace(TINY, prediction="v")
        loss = MaskedDenoisingLoss(network)(batch)
    angle = torch.atan2(sigma, signal).double()
    turned = [(angle + step).cos() * batch["image"] + (angle + step).sin() * batch["eps"] for step in (-1e-4, 1e-4)]
    v = ((turned[1] - turned[0]) / 2e-4).float()
    torch.testing.assert_close(loss, (batch["mask"] * (v - predicted)).square().mean())


def test_the_loss_scales_with_the_area_of_the_mask():
    """A new network predicts no noise, so every masked pixel costs 1 where the noise is 1."""
    objective = MaskedDenoisingLoss(DiffusionAutoencoder(TINY))
    for rows in (0, 1, 8, 32):
        batch = dummy_batch(eps=torch.ones(2, 3, SIZE, SIZE), mask=torch.zeros(2, 1, SIZE, SIZE))
        batch["mask"][:, :, :rows] = 1
        assert objective(batch).item() == pytest.approx(rows / 32)


def test_nothing_outside_the_mask_has_a_gradient(network):
    """Of the loss with respect to the predicted noise; and of the noise that was added there, none is seen."""
    batch, predictions = dummy_batch(), []

    def keep(module, inputs, output):
        output.retain_grad()
        predictions.append(output)

    network.register_forward_hook(keep)
    batch["eps"].requires_grad_()
    MaskedDenoisingLoss(network)(batch).backward()
    outside = (batch["mask"] == 0).expand(2, 3, SIZE, SIZE)
    (predicted,) = predictions
    assert not predicted.grad[outside].any() and (predicted.grad[~outside] != 0).all()
    assert not batch["eps"].grad[outside].any() and (batch["eps"].grad[~outside] != 0).any()


def test_without_a_mask_there_is_nothing_to_learn(network):
    loss = MaskedDenoisingLoss(network)(dummy_batch(mask=torch.zeros(2, 1, SIZE, SIZE)))
    loss.backward()
    assert loss == 0
    assert not any(parameter.grad.any() for parameter in network.parameters() if parameter.grad is not None)


@pytest.mark.parametrize("keep_encoder", [False, True])
def test_encoder_and_u_net_learn_together_unless_the_encoder_is_kept(network, keep_encoder):
    MaskedDenoisingLoss(network, keep_encoder=keep_encoder).train()(dummy_batch()).backward()
    learning = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
    encoder = {name for name, _ in network.named_parameters() if name.startswith("encoder.")}
    assert encoder and learning == {name for name, _ in network.named_parameters()} - (
        encoder if keep_encoder else set()
    )


def test_the_loss_of_stage_2_is_the_mean_square_over_what_is_not_padding():
    config = MOTION_PRESETS["tiny"].config
    model = MotionNetwork(config).eval()
    speech, reference, target = torch.randn(2, 1, 12, 80), torch.randn(2, 5, 16), torch.randn(2, 6, 16)
    speech_valid, reference_valid = torch.arange(12) < torch.tensor([[8], [12]]), torch.ones(2, 5, dtype=torch.bool)
    batch = {"speech": speech.half(), "speech_valid": speech_valid, "target": target}
    batch |= {"reference": reference, "reference_valid": reference_valid}
    with torch.no_grad():
        first = model(speech[:1, :, :8].half().float(), reference[:1])[0] - target[0, :4]
        second = model(speech[1:].half().float(), reference[1:])[0] - target[1]
        expected = torch.cat([first, second]).square().mean()
        torch.testing.assert_close(LatentLoss(model)(batch), expected, atol=1e-5, rtol=1e-4)
        batch["target"][0, 4:] = float("nan")
        assert LatentLoss(model)(batch).isfinite()
