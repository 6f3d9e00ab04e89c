"""The weighted sum over a speech model's layers."""

import math

import pytest
import torch

from dd_tools.nn.weighted_sum import weighted_sum


def test_layers_count_by_the_softmax_of_their_weights():
    speech, logits = torch.randn(2, 3, 5, 4), [0.3, -1.0, 2.0]
    shares = [math.exp(logit) / sum(map(math.exp, logits)) for logit in logits]
    expected = sum(share * speech[:, layer] for layer, share in enumerate(shares))
    torch.testing.assert_close(weighted_sum(speech, torch.tensor(logits)), expected)


@pytest.mark.parametrize("layers", [1, 25])
def test_a_sum_that_was_taken_before_passes_through(layers):
    speech = torch.randn(2, 1, 5, 4)
    assert torch.equal(weighted_sum(speech, torch.randn(layers)), speech[:, 0])
