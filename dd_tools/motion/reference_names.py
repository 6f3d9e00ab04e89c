"""The released model's names for its tensors, and ours where they are better."""

import re

RENAMED = (
    (r"^encoder\.", ""),
    (r"^weights$", "layer_weights"),
    (r"^down_sample_audio_nar\.", "downsample."),
    (r"^coarse_decoder\.", "decoder."),
    (r"\.encoders\.", ".blocks."),
)


def from_reference(name: str) -> str:
    """Our name for a tensor of the released sequence model (its name without the ``seq2seq.`` prefix)."""
    for theirs, ours in RENAMED:
        name = re.sub(theirs, ours, name)
    return name
