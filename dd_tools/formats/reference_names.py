"""The released networks' names for their tensors, and ours where they are better: a pure renaming."""

import re
from dataclasses import dataclass

from dd_tools.formats.checkpoint import MOTION, RENDERER


@dataclass(frozen=True)
class ReleasedNames:
    """How one released network calls its tensors, without the prefix of the object that held it.

    marker: a tensor no other network has. parts: the first components of all its names. renamed: patterns of theirs
    and what takes their place, applied one after another.
    """

    marker: str
    parts: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]

    def ours(self, name: str) -> str:
        """Our name for a tensor of theirs."""
        for theirs, ours in self.renamed:
            name = re.sub(theirs, ours, name)
        return name


RELEASED = {
    RENDERER: ReleasedNames(
        marker="time_embed.time_embed.0.weight",
        parts=("time_embed", "input_blocks", "middle_block", "output_blocks", "out", "encoder"),
        renamed=(
            (r"^time_embed\.time_embed\.", "time_embed."),
            (r"^(?!encoder\.)", "unet."),
        ),
    ),
    MOTION: ReleasedNames(
        marker="encoder.down_sample_audio_nar.weight",
        parts=("encoder",),
        renamed=(
            (r"^encoder\.", ""),
            (r"^weights$", "layer_weights"),
            (r"^down_sample_audio_nar\.", "downsample."),
            (r"^coarse_decoder\.", "decoder."),
            (r"\.encoders\.", ".blocks."),
        ),
    ),
}
