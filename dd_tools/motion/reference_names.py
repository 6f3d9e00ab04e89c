"""The released model's names for tensors, and ours where they are better."""

# In the order they are tried; the first that fits a name's beginning or middle replaces it.
RENAMED = (
    ("encoder.", ""),
    ("weights", "layer_weights"),
    ("down_sample_audio_nar.", "downsample."),
    ("coarse_decoder.", "decoder."),
)
BLOCKS = (".encoders.", ".blocks.")


def from_reference(name: str) -> str:
    """Our name for a tensor of the released sequence model (without its ``seq2seq.`` prefix)."""
    for theirs, ours in RENAMED:
        if name.startswith(theirs):
            name = ours + name.removeprefix(theirs)
    return name.replace(*BLOCKS)
