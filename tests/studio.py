"""A folder with an input of every kind, for tests of all commands; the models are tiny."""

import os
from pathlib import Path

from both_kinds import write_tiny_models
from commands import call
from factories import dummy_lossless_video, dummy_marked_face, dummy_pairs, dummy_portrait, dummy_voice
from released import dummy_authors_checkpoint, dummy_small_renderer

MODELS = "--renderer r.safetensors --motion m.safetensors"


def fill(folder: Path) -> None:
    """Make the inputs, and an empty folder ``out``."""
    for name, path in zip("rm", write_tiny_models(folder, "warp"), strict=True):
        os.rename(path, folder / f"{name}.safetensors")
    dummy_portrait(folder / "portrait.png")
    dummy_voice(folder / "voice.wav", 0.4)
    dummy_lossless_video(folder / "true.mp4", [dummy_marked_face(opening) for opening in (0.1, 0.35, 0.2)])
    dummy_authors_checkpoint(folder / "stage1.ckpt", dummy_small_renderer())
    dummy_pairs(folder)
    (folder / "out").mkdir()
    for line in (
        "dd-prep portrait.png -o clip.h5 --size 32",
        "dd-encode clip.h5 --renderer r.safetensors -o latents.npy",
        "dd-audio voice.wav --model mel -o speech.npy",
    ):
        assert call_in(folder, line).status == 0


def call_in(folder: Path, line: str):
    """Call the command `line` in the working folder `folder`."""
    command, *arguments = line.split()
    before = os.getcwd()
    os.chdir(folder)
    try:
        return call(command, *arguments)
    finally:
        os.chdir(before)
