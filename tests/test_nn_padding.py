"""Batches of sequences of different lengths: what is padded counts for nothing."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from dd_tools.nn.padding import masked_mean, masked_mean_square, pad_sequences, valid_count

lengths = st.lists(st.integers(1, 7), min_size=1, max_size=5)


@given(lengths)
def test_padding_keeps_every_sequence_and_marks_it(sizes):
    sequences = [torch.randn(length, 3) for length in sizes]
    padded, valid = pad_sequences(sequences)
    assert padded.shape == (len(sizes), max(sizes), 3)
    for sequence, row, held in zip(sequences, padded, valid, strict=True):
        assert torch.equal(row[held], sequence)
        assert held.tolist() == [True] * len(sequence) + [False] * (max(sizes) - len(sequence))
        assert not row[~held].any()


@given(lengths)
def test_means_are_those_of_the_sequences_before_padding(sizes):
    sequences = [torch.randn(length, 3) for length in sizes]
    padded, valid = pad_sequences(sequences)
    padded[~valid] = 9.0
    means = torch.stack([sequence.mean(0) for sequence in sequences])
    torch.testing.assert_close(masked_mean(padded, valid), means, atol=1e-5, rtol=1e-4)
    assert valid_count(padded, valid).tolist() == [[length] for length in sizes]
    squares = torch.cat(sequences).square().mean()
    padded[~valid] = float("nan")
    torch.testing.assert_close(masked_mean_square(padded, valid), squares, atol=1e-5, rtol=1e-4)


def test_without_a_mask_everything_is_valid():
    sequence = torch.tensor([[[1.0, 2.0], [3.0, 6.0]]])
    assert masked_mean(sequence, None).tolist() == [[2.0, 4.0]]
    assert valid_count(sequence, None).tolist() == [[2.0]]
