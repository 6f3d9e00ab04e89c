"""The conformer against slow and obvious versions of itself, and against transformers'."""

import math

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from transformers.models.wav2vec2_conformer import modeling_wav2vec2_conformer as oracle

from dd_tools.errors import UsageError
from dd_tools.nn.conformer import (
    Conformer,
    ConformerBlock,
    Convolution,
    RelativeAttention,
    check_attention_sizes,
    relative_positions,
    relative_shift,
)

WIDTH, HEADS, KERNEL = 12, 3, 5


def randomised(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Every parameter and running statistic drawn anew, so that none is at its silent starting value."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=generator) * 0.3
            tensor.copy_(noise.abs() + 0.5 if name.endswith("running_var") else noise)
    return module.eval()


def sequence(batch: int, length: int, width: int = WIDTH, seed: int = 1) -> torch.Tensor:
    return torch.randn(batch, length, width, generator=torch.Generator().manual_seed(seed))


@given(length=st.integers(1, 9))
@settings(deadline=None)
def test_shift_turns_distances_into_keys(length):
    by_distance = torch.randn(2, length, 2 * length - 1)
    by_key = relative_shift(by_distance)
    for query in range(length):
        for key in range(length):
            # Column 0 is the distance T - 1.
            assert (by_key[:, query, key] == by_distance[:, query, length - 1 - (query - key)]).all()


def test_positions_are_sinusoids_of_falling_distances():
    positions = relative_positions(3, 4, torch.empty(0))
    for row, distance in zip(positions, (2, 1, 0, -1, -2), strict=True):
        slow = distance / 10000 ** (2 / 4)
        expected = [math.sin(distance), math.cos(distance), math.sin(slow), math.cos(slow)]
        assert row.tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("length", [1, 2, 7])
def test_relative_attention_is_the_sum_written_out(length):
    attention = randomised(RelativeAttention(WIDTH, HEADS, dropout=0.5))
    x, size = sequence(2, length), WIDTH // HEADS
    positions = relative_positions(length, WIDTH, x)
    with torch.inference_mode():
        found = attention(x, positions, None)
        q, k, v = (linear(x) for linear in (attention.linear_q, attention.linear_k, attention.linear_v))
        p = attention.linear_pos(positions)
        expected = torch.zeros_like(x)
        for sample in range(2):
            for head in range(HEADS):
                part = slice(head * size, (head + 1) * size)
                with_u = q[sample, :, part] + attention.pos_bias_u[head]
                with_v = q[sample, :, part] + attention.pos_bias_v[head]
                for i in range(length):
                    scores = torch.stack(
                        [
                            with_u[i] @ k[sample, j, part] + with_v[i] @ p[length - 1 - (i - j), part]
                            for j in range(length)
                        ]
                    )
                    expected[sample, i, part] = (scores / math.sqrt(size)).softmax(0) @ v[sample, :, part]
        torch.testing.assert_close(found, attention.linear_out(expected), atol=1e-5, rtol=1e-4)


def oracle_config() -> transformers.Wav2Vec2ConformerConfig:
    return transformers.Wav2Vec2ConformerConfig(
        hidden_size=WIDTH, num_attention_heads=HEADS, intermediate_size=20, conv_depthwise_kernel_size=KERNEL,
        position_embeddings_type="relative", hidden_act="swish", attention_dropout=0.0, activation_dropout=0.0,
        hidden_dropout=0.0, conformer_conv_dropout=0.0, max_source_positions=50,
    )  # fmt: skip


def test_relative_attention_is_that_of_transformers():
    own = randomised(RelativeAttention(WIDTH, HEADS, dropout=0.0))
    other = oracle.Wav2Vec2ConformerSelfAttention(oracle_config()).eval()
    other.load_state_dict(own.state_dict())
    x = sequence(2, 9)
    embeddings = oracle.Wav2Vec2ConformerRelPositionalEmbedding(oracle_config())(x)
    with torch.inference_mode():
        expected = other(x, relative_position_embeddings=embeddings)[0]
        torch.testing.assert_close(own(x, relative_positions(9, WIDTH, x), None), expected, atol=1e-5, rtol=1e-4)


def test_convolution_is_that_of_transformers():
    """That of transformers begins with a layer norm and has no biases."""
    own = randomised(Convolution(WIDTH, KERNEL))
    for layer in own.pointwise_conv1, own.depthwise_conv, own.pointwise_conv2:
        torch.nn.init.zeros_(layer.bias)
    other = oracle.Wav2Vec2ConformerConvolutionModule(oracle_config()).eval()
    renamed = {name.replace("norm.", "batch_norm.", 1): tensor for name, tensor in own.state_dict().items()}
    other.load_state_dict(
        {name: tensor for name, tensor in renamed.items() if ".bias" not in name or "norm" in name}, strict=False
    )
    other.layer_norm = torch.nn.Identity()
    x = sequence(2, 9)
    with torch.inference_mode():
        torch.testing.assert_close(own(x, None), other(x), atol=1e-5, rtol=1e-4)


def test_a_block_is_its_parts_in_order():
    block = randomised(ConformerBlock(WIDTH, HEADS, 20, KERNEL, dropout=0.5))
    x = sequence(1, 6)
    positions = relative_positions(6, WIDTH, x)

    def half_feed_forward(layer, y):
        return 0.5 * F.linear(F.silu(F.linear(y, layer.w_1.weight, layer.w_1.bias)), layer.w_2.weight, layer.w_2.bias)

    def normed(layer, y):
        centred = y - y.mean(-1, keepdim=True)
        standard_deviation = (centred.square().mean(-1, keepdim=True) + 1e-12).sqrt()
        return centred / standard_deviation * layer.weight + layer.bias

    with torch.inference_mode():
        y = normed(block.norm_ff_macaron, x + half_feed_forward(block.feed_forward_macaron, x))
        y = normed(block.norm_mha, y + block.self_attn(y, positions, None))
        y = normed(block.norm_conv, y + block.conv_module(y, None))
        y = normed(block.norm_ff, y + half_feed_forward(block.feed_forward, y))
        torch.testing.assert_close(block(x, positions, None), normed(block.norm_final, y), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("training", [False, True])
def test_padding_changes_nothing_at_valid_positions(training):
    """In training too: the batch norm's statistics are those of the valid positions."""
    conformer = randomised(Conformer(2, WIDTH, HEADS, 20, KERNEL, dropout=0.0)).train(training)
    short, long = sequence(1, 5, seed=2), sequence(1, 9, seed=3)
    valid = torch.tensor([[True] * 5 + [False] * 4, [True] * 9])
    outcomes = []
    for padding in 0.0, 50.0:
        padded = F.pad(short, (0, 0, 0, 4), value=padding)
        conformer.load_state_dict(randomised(Conformer(2, WIDTH, HEADS, 20, KERNEL, 0.0)).state_dict())
        with torch.inference_mode():
            outcomes.append(conformer(torch.cat([padded, long]), valid)[valid])
    torch.testing.assert_close(outcomes[0], outcomes[1], atol=1e-5, rtol=1e-4)
    if not training:
        with torch.inference_mode():
            alone = torch.cat([conformer(short)[0], conformer(long)[0]])
        torch.testing.assert_close(outcomes[0], alone, atol=1e-5, rtol=1e-4)


def test_batch_norm_learns_the_statistics_of_valid_positions():
    convolution = Convolution(WIDTH, 1).train()
    x, valid = sequence(2, 8), torch.tensor([[True] * 3 + [False] * 5, [True] * 8])
    convolution(x, valid)
    entering = convolution.depthwise_conv(F.glu(convolution.pointwise_conv1(x.transpose(1, 2)), dim=1)).transpose(1, 2)
    torch.testing.assert_close(convolution.norm.running_mean, 0.1 * entering[valid].mean(0))


def test_a_single_position_is_normalised_as_the_batches_before_it():
    """It has no statistics of its own: in training a single reference would be nothing at all."""
    convolution = Convolution(WIDTH, 5).train()
    convolution.norm.running_mean.normal_(), convolution.norm.running_var.uniform_(0.5, 2)
    x, valid = torch.randn(1, 1, WIDTH), torch.ones(1, 1, dtype=torch.bool)
    trained = convolution(x, valid)
    torch.testing.assert_close(trained, convolution.eval()(x, valid))


@pytest.mark.parametrize(
    ("sizes", "complaint"),
    [
        ((18, 4, 2, 5), "width 18 is not a multiple of its 4 heads"),
        ((18, 2, 4, 5), "width 18 is not a multiple of its 4 cross-attention heads"),
        ((15, 3, 3, 5), "width must be even and kernel odd, got 15 and 5"),
        ((16, 2, 2, 4), "width must be even and kernel odd, got 16 and 4"),
    ],
)
def test_sizes_that_cannot_be_built_are_refused(sizes, complaint):
    with pytest.raises(UsageError, match=complaint):
        check_attention_sizes(*sizes)
