"""The motion network: shapes, padding, and what speech and references do to the latents."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import dummy_latents, dummy_speech
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.diffdub.motion_network import CrossAttention, MotionConfig, MotionNetwork
from dd_tools.diffdub.motion_training import PRESETS

TINY = PRESETS["tiny"].config


def tiny_network(**changes: object) -> MotionNetwork:
    torch.manual_seed(0)
    return MotionNetwork(replace(TINY, **changes)).eval()


def inputs(count: int = 20, references: int = 5, config: MotionConfig = TINY) -> tuple[torch.Tensor, torch.Tensor]:
    """Speech for `count` latents, and reference latents."""
    speech = dummy_speech(count, config.speech_layers, config.speech_width).astype(np.float32)
    return torch.from_numpy(speech)[None], torch.from_numpy(dummy_latents(references, config.z_size))[None]


@settings(deadline=None, max_examples=25)
@given(frames=st.integers(1, 60), references=st.integers(1, 80), z_size=st.sampled_from([3, 16]))
def test_one_latent_for_two_speech_frames_with_any_number_of_references(frames, references, z_size):
    network = tiny_network(z_size=z_size)
    speech, reference = inputs(30, references, network.config)
    with torch.inference_mode():
        latents = network(speech[:, :, :frames], reference)
    assert latents.shape == (1, -(-frames // 2), z_size)
    assert latents.isfinite().all()


def test_padding_changes_nothing_at_valid_positions():
    network = tiny_network()
    speech, reference = inputs(12, 6)
    speech_valid, reference_valid = torch.arange(24)[None] < 14, torch.arange(6)[None] < 4
    with torch.inference_mode():
        padded = network(speech, reference, speech_valid, reference_valid)[:, :7]
        alone = network(speech[:, :, :14], reference[:, :4])
    torch.testing.assert_close(padded, alone, atol=1e-5, rtol=1e-4)


def test_layers_are_summed_by_their_weights_before_anything_else():
    network = tiny_network(speech_layers=3)
    speech, reference = inputs(config=network.config)
    with torch.inference_mode():
        network.weights.copy_(torch.tensor([0.3, -1.0, 2.0]))
        shares = network.weights.exp() / network.weights.exp().sum()
        collapsed = sum(share * speech[:, layer] for layer, share in enumerate(shares))[:, None]
        torch.testing.assert_close(network(speech, reference), network(collapsed, reference), atol=1e-5, rtol=1e-4)


def test_a_new_network_weighs_all_layers_alike():
    assert tiny_network(speech_layers=25).weights.tolist() == [1.0] * 25


def test_cross_attention_is_the_sum_written_out():
    """The audio is the query; linear and layer norm follow, and nothing of the audio is added to the output."""
    attention = CrossAttention(8, 2).eval()
    for parameter in attention.parameters():
        parameter.data = 0.5 * torch.randn(parameter.shape)
    audio, reference = torch.randn(1, 5, 8), torch.randn(1, 3, 8)
    weights = attention.self_attn.in_proj_weight.chunk(3), attention.self_attn.in_proj_bias.chunk(3)
    q, k, v = (
        given[0] @ weight.T + bias for given, weight, bias in zip((audio, reference, reference), *weights, strict=True)
    )
    heads = []
    for part in (slice(0, 4), slice(4, 8)):
        heads.append(torch.softmax(q[:, part] @ k[:, part].T / 2, dim=1) @ v[:, part])
    attended = attention.self_attn.out_proj(torch.cat(heads, 1))
    h = attended @ attention.linear1.weight.T + attention.linear1.bias
    h = (h - h.mean(1, keepdim=True)) / (h.var(1, keepdim=True, correction=0) + 1e-5).sqrt()
    expected = h * attention.norm1.weight + attention.norm1.bias
    torch.testing.assert_close(attention(audio, reference, None)[0], expected, atol=1e-5, rtol=1e-4)


def test_a_single_reference_silences_the_speech():
    """Attention to one key is constant, which is why one reference is repeated only for show: the paper's network."""
    (speech, one), silence = inputs(references=1), torch.zeros(1, 1, 40, TINY.speech_width)
    several = inputs(references=4)[1]
    network = tiny_network()
    with torch.inference_mode():
        torch.testing.assert_close(network(speech, one), network(silence, one), atol=1e-5, rtol=1e-4)
        assert not torch.allclose(network(speech, several), network(silence, several), atol=1e-4)


def test_the_order_of_references_counts():
    """The reference encoder is a conformer, with positions and convolutions."""
    network, (speech, reference) = tiny_network(), inputs()
    with torch.inference_mode():
        assert not torch.allclose(network(speech, reference), network(speech, reference.flip(1)), atol=1e-4)


def test_cross_attention_has_two_dropouts_of_a_tenth_in_training_and_none_otherwise():
    """One falls on the attention's weights, one on what was attended.

    With all values 1, an attended channel is the sum of the weights that were kept, over 0.9; it is 0 where all were
    dropped or where the second dropout fell on it. The first dropout is the same for all channels of a head, the second
    is not.
    """
    attention = CrossAttention(64, 1)
    projection = torch.zeros(192, 64)
    attention.self_attn.in_proj_weight.data, attention.self_attn.in_proj_bias.data = projection, torch.zeros(192)
    attention.self_attn.in_proj_bias.data[128:] = 1  # values; queries and keys are zero, so all weigh alike
    attention.self_attn.out_proj.weight.data, attention.self_attn.out_proj.bias.data = torch.eye(64), torch.zeros(64)
    attention.linear1, attention.norm1 = torch.nn.Identity(), torch.nn.Identity()
    audio, reference = torch.zeros(1, 500, 64), torch.zeros(1, 20, 64)
    torch.manual_seed(0)
    h = attention.train()(audio, reference, None)[0].detach()
    second = (h == 0).float()  # that all 20 weights are dropped never happens
    assert second.mean().item() == pytest.approx(0.1, abs=0.01)
    kept = h.max(1).values * 20 * 0.9**2  # of 20 weights
    torch.testing.assert_close(kept, kept.round(), atol=1e-3, rtol=0)
    assert kept.mean().item() == pytest.approx(18, abs=0.2)
    assert kept.var().item() == pytest.approx(20 * 0.9 * 0.1, rel=0.25)
    torch.testing.assert_close(attention.eval()(audio, reference, None)[0].detach(), torch.ones(500, 64))


def test_a_network_in_training_drops_out_and_in_use_does_not():
    network, given = tiny_network(dropout=0.2), inputs()
    with torch.no_grad():
        assert torch.equal(network(*given), network(*given))
        network.train()
        assert not torch.allclose(network(*given), network(*given), atol=1e-3)


def test_the_papers_network_has_the_released_code_s_settings():
    """Numbers that shapes do not tell, from the released code."""
    config = PRESETS["paper"].config
    network = MotionNetwork(replace(config, width=64, hidden=8, speech_width=8, z_size=8))
    assert (config.heads, config.cross_heads, config.dropout) == (2, 8, 0.2)
    assert len(network.speech_encoder.encoders) + len(network.coarse_decoder.encoders) == 8
    assert len(network.reference_encoder.encoders) == 2
    rates = {layer.p for part in (network.speech_encoder, network.reference_encoder) for layer in part.modules()
             if isinstance(layer, torch.nn.Dropout)}  # fmt: skip
    assert rates == {0.2} and network.cross_attention.dropout.p == network.cross_attention.self_attn.dropout == 0.1
    assert network.speech_encoder.encoders[0].norm_ff.eps == 1e-12 and network.cross_attention.norm1.eps == 1e-5
