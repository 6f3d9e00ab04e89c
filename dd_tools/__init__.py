"""Visual dubbing in composable commands: a video and a voice in, the lips speak the voice.

An implementation of DiffDub (Liu et al., ICASSP 2024). Each folder is a stage of the data's way; the commands
are thin modules in ``dd_tools.cli``.
"""

__version__ = "0.1.0"
