"""dd-audio: audio to speech features."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from dd_tools.cli.command import console_command
from dd_tools.cli.files import is_up_to_date, plan_outputs
from dd_tools.cli.options import AudioChannel, Device, Resume
from dd_tools.cli.session import Session
from dd_tools.errors import DataError

Sources = Annotated[
    list[Path], typer.Argument(metavar="AUDIO|VIDEO...", help="Audio files, or videos whose audio track is used.")
]
Output = Annotated[
    Path,
    typer.Option(
        "-o", "--output", metavar="SPEECH.npy|DIR|-",
        help="Output features, a folder for several inputs, or '-' for standard output.",
    ),
]  # fmt: skip
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="whisper|mel|NAME|DIR",
        help="Speech model: an embedded one, or the Hugging Face hub name or folder of a HuBERT-like or Whisper-like "
        "one.  [default: that of --weights, or whisper]",
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        metavar="MOTION.safetensors", help="Motion model by whose layer weights all layers are summed into one."
    ),
]
Duration = Annotated[
    float | None,
    typer.Option(
        min=0.04, metavar="SECONDS", help="Cut the audio, or append silence, to this duration.  [default: its own]"
    ),
]


def audio(
    session: Session,
    sources: Sources,
    output: Output,
    model: Model = None,
    weights: Weights = None,
    duration: Duration = None,
    audio_channel: AudioChannel = None,
    resume: Resume = False,
    device: Device = "auto",
) -> None:
    """Compute speech features, 50 frames per second.

    The default model needs no download and writes 5 layers, 0.7 GB per hour of audio; HuBERT-large writes 25, 9 GB; mel
    is log-mel. With --weights, only their weighted sum is written, which dd-generate would otherwise compute.
    """
    from dd_tools.media.audio import SAMPLE_RATE
    from dd_tools.media.piped import as_file
    from dd_tools.speech.extraction import write_features
    from dd_tools.speech.features import DEFAULT_MODEL
    from dd_tools.speech.registry import open_speech_model

    pairs = plan_outputs(sources, output, ".npy")
    samples = None if duration is None else round(duration * SAMPLE_RATE)
    motion = None
    if weights:
        from dd_tools.pipeline.models import load_motion_model  # imports torch, which takes a second

        motion = load_motion_model(weights)
    name = model or (motion.speech_model if motion else DEFAULT_MODEL)
    with _computing(name, device) as torch_device:
        speech_model = open_speech_model(name, device=torch_device, report=session)
    if motion and (motion.speech_layers, motion.speech_width) != (speech_model.layers, speech_model.width):
        raise DataError(
            f"'{weights}' takes {motion.speech_layers} layers of {motion.speech_width} features, speech model '{name}' "
            f"makes {speech_model.layers} of {speech_model.width}"
        )
    layer_weights = motion.layer_weights if motion else None

    def extract(pair: tuple[Path, Path]) -> None:
        source, target = pair
        if resume and is_up_to_date(target, source, *([weights] if weights else [])):
            session.say(f"'{target}' is up to date")
            return
        with as_file(source) as file:
            write_features(
                speech_model, file, target, layer_weights=layer_weights, samples=samples, channel=audio_channel,
                report=session,
            )  # fmt: skip

    with _computing(name, device):
        session.for_each(pairs, extract)


@contextmanager
def _computing(name: str, device: str) -> Iterator[str]:
    """Compute with the speech model `name` on a `device`, whose name for torch is returned.

    The models that ship compute on the CPU, without torch, which takes a second to import.
    """
    from dd_tools.speech.features import SHIPPED_MODELS

    if name in SHIPPED_MODELS and device in ("auto", "cpu"):  # another device is checked all the same
        yield "cpu"
        return
    import torch

    from dd_tools.nn.device import computing, open_device

    torch_device = open_device(device)
    with computing(torch_device, torch.float32):
        yield str(torch_device)


run = console_command("dd-audio", audio)
