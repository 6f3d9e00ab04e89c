"""Residual and attention blocks and the paths of a U-Net, against slow and obvious versions of themselves."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from dd_tools.nn.blocks import AttentionBlock, Downsample, GroupNorm32, ResBlock, Upsample
from dd_tools.nn.levels import Levels
from dd_tools.nn.unet import down_path, middle_block, up_path


def shaken(module: nn.Module) -> nn.Module:
    """The module with every parameter drawn anew, so that branches that start at zero take part, in eval mode."""
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.data = 0.2 * torch.randn(parameter.shape, generator=generator)
    return module.eval()


def swish(x: torch.Tensor) -> torch.Tensor:
    return x / (1 + (-x).exp())


@pytest.mark.parametrize(("channels", "groups"), [(3, 1), (32, 32), (40, 8), (128, 32)])
def test_normalisation_is_per_group_of_channels(channels, groups):
    norm, x = GroupNorm32(channels), 3 + 2 * torch.randn(2, channels, 6, 5)
    parts = norm(x).reshape(2, groups, -1)
    torch.testing.assert_close(parts.mean(2), torch.zeros(2, groups), atol=1e-5, rtol=0)
    torch.testing.assert_close(parts.var(2, correction=0), torch.ones(2, groups), atol=1e-3, rtol=0)


def test_attention_is_the_sum_written_out():
    block, x = shaken(AttentionBlock(32)), torch.randn(2, 32, 3, 5)
    expected = x.clone()
    for image in range(2):
        h = F.group_norm(x[image : image + 1], 32, block.norm.weight, block.norm.bias, 1e-5)[0].reshape(32, 15)
        q, k, v = (block.qkv.weight[:, :, 0] @ h + block.qkv.bias[:, None]).chunk(3)
        weights = torch.softmax((q * 32**-0.25).T @ (k * 32**-0.25), dim=1)
        out = block.proj_out.weight[:, :, 0] @ (v @ weights.T) + block.proj_out.bias[:, None]
        expected[image] += out.reshape(32, 3, 5)
    torch.testing.assert_close(block(x), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("batch", [1, 2])
def test_the_latent_scales_after_time_has_scaled_and_shifted(batch):
    """Section 2.1 through Diff-AE: h (1 + s_t) + b_t, then times (1 + s_z); the residual is joined by a convolution."""
    block = shaken(ResBlock(32, 64, z_size=5, embedding_size=7))
    x, z, embedding = torch.randn(batch, 32, 4, 4), torch.randn(batch, 5), torch.randn(batch, 7)
    norm, _, convolution = block.in_layers
    h = convolution(swish(F.group_norm(x, 32, norm.weight, norm.bias)))
    norm, _, _, convolution = block.out_layers
    time, latent = block.emb_layers[1], block.cond_emb_layers[1]
    scale_shift = swish(embedding) @ time.weight.T + time.bias
    scale_z = swish(z) @ latent.weight.T + latent.bias
    h = F.group_norm(h, 32, norm.weight, norm.bias)
    h = h * (1 + scale_shift[:, :64, None, None]) + scale_shift[:, 64:, None, None]
    h = convolution(swish(h * (1 + scale_z[:, :, None, None])))
    skip = torch.einsum("oi,bihw->bohw", block.skip_connection.weight[:, :, 0, 0], x)
    expected = skip + block.skip_connection.bias[:, None, None] + h
    torch.testing.assert_close(block(x, z, embedding), expected, atol=1e-4, rtol=1e-4)


def test_a_down_block_halves_by_means_between_activation_and_convolution():
    block, x = shaken(ResBlock(32, 32, resample=Downsample)), torch.randn(1, 32, 4, 6)
    h = swish(F.group_norm(x, 32, block.in_layers[0].weight, block.in_layers[0].bias))

    def mean(values):
        return values.reshape(1, 32, 2, 2, 3, 2).mean((3, 5))

    torch.testing.assert_close(block(x), mean(x) + block.in_layers[2](mean(h)), atol=1e-5, rtol=1e-5)


def test_an_up_block_repeats_every_pixel_four_times():
    block, x = shaken(ResBlock(32, 32, resample=Upsample)), torch.randn(1, 32, 2, 3)
    h = swish(F.group_norm(x, 32, block.in_layers[0].weight, block.in_layers[0].bias))

    def repeated(values):
        return values.repeat_interleave(2, 2).repeat_interleave(2, 3)

    expected = repeated(x) + block.in_layers[2](repeated(h))
    torch.testing.assert_close(block(x), expected, atol=1e-5, rtol=1e-5)
    with torch.inference_mode():  # with kernels of merged weights
        for layout in (torch.contiguous_format, torch.channels_last):
            found = block(x.contiguous(memory_format=layout))
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_block_computes_the_same_without_gradients_and_changes_no_input(batch, layout):
    """In place and with folded weights, whatever the layout and the batch."""
    block = shaken(ResBlock(32, 32, z_size=5, embedding_size=7, resample=Upsample))
    inputs = torch.randn(batch, 32, 4, 4), torch.randn(batch, 5), torch.randn(batch, 7)
    expected, before = block(*inputs), [each.clone() for each in inputs]
    with torch.inference_mode():
        found = block(inputs[0].contiguous(memory_format=layout), *inputs[1:])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert all(map(torch.equal, inputs, before))


def test_a_new_block_with_conditions_is_its_skip_connection():
    block, x = ResBlock(8, 8, z_size=3, embedding_size=3), torch.randn(1, 8, 4, 4)
    assert torch.equal(block(x, torch.randn(1, 3), torch.randn(1, 3)), x)


@settings(max_examples=20, deadline=None)
@given(
    multipliers=st.lists(st.integers(1, 3), min_size=1, max_size=4),
    blocks=st.integers(1, 3),
    attention=st.sampled_from([(), (16,), (8, 4)]),
)
def test_the_up_path_mirrors_the_down_path(multipliers, blocks, attention):
    """Every lateral is used once, the size is restored, and attention is at the sides asked for on both paths."""
    levels = Levels(16, 4, tuple(multipliers), blocks, attention)
    down, widths, size = down_path(6, levels, z_size=2)
    up = up_path(widths, size, levels, z_size=2)
    assert len(down) == len(up) == len(widths) == len(multipliers) * (blocks + 1)
    assert size == 16 // 2 ** (len(multipliers) - 1)
    h, z, laterals, seen = torch.randn(1, 6, 16, 16), torch.randn(1, 2), [], []
    for block in down:
        h = block(h, z)
        laterals.append(h)
        seen += [h.shape[-1]] * any(isinstance(layer, AttentionBlock) for layer in block)
    h = middle_block(widths[-1], z_size=2)(h, z)
    assert [lateral.shape[1] for lateral in laterals] == widths
    for block in up:
        at, h = h.shape[-1], block(torch.cat([h, laterals.pop()], 1), z)
        seen += [at] * any(isinstance(layer, AttentionBlock) for layer in block)
    assert not laterals and h.shape == (1, 4 * multipliers[0], 16, 16)
    reached = [16 >> level for level in range(len(multipliers))]
    assert sorted(seen) == sorted(side for side in reached if side in attention for _ in range(2 * blocks + 1))
