"""dd-audio: a voice in, speech features out."""

from pathlib import Path
from typing import Annotated

import typer

from dd_tools.cli.command import console_command
from dd_tools.cli.files import is_up_to_date, plan_outputs
from dd_tools.cli.options import Device, Resume
from dd_tools.cli.session import Session
from dd_tools.errors import DataError

Sounds = Annotated[
    list[Path], typer.Argument(metavar="AUDIO|VIDEO...", help="Listen to these sound files, or videos' sound.")
]
Output = Annotated[
    Path, typer.Option("-o", "--output", metavar="SPEECH.npy|DIR|-", help="Write features here; - is standard output.")
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="moonshine|mel|NAME|DIR",
        help="Listen with this: an embedded model, or a HuBERT-like one by hub name or folder.  "
        "[default: that of --weights, or moonshine]",
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(metavar="MOTION.safetensors", help="Sum all layers into one with the weights this model learned."),
]


def audio(
    session: Session,
    sounds: Sounds,
    output: Output,
    model: Model = None,
    weights: Weights = None,
    resume: Resume = False,
    device: Device = "auto",
) -> None:
    """Turn voices into speech features, 50 frames a second.

    The default model is embedded and needs no download, mel is plain log-mel. HuBERT-large writes 25 layers, 9 GB an
    hour; with --weights, the one layer that dd-generate would make of them.
    """
    from dd_tools.nn.device import open_device
    from dd_tools.speech.features import DEFAULT_MODEL, EMBEDDED, open_speech_model
    from dd_tools.speech.listening import write_features

    pairs = plan_outputs(sounds, output, ".npy")
    layer_weights = None
    if weights:
        motion = _motion_model(weights)
        model, layer_weights = model or motion.speech_model, motion.layer_weights
    name = model or DEFAULT_MODEL
    place = "cpu" if name in EMBEDDED else str(open_device(device))
    listener = open_speech_model(name, device=place, message=session.say)
    if layer_weights is not None and len(layer_weights) != listener.layers:
        raise DataError(f"'{weights}' weighs {len(layer_weights)} layers, speech model '{name}' has {listener.layers}")

    def listen(pair: tuple[Path, Path]) -> None:
        source, target = pair
        if resume and is_up_to_date(target, source, *([weights] if weights else [])):
            session.say(f"'{target}' is up to date")
            return
        write_features(
            listener,
            source,
            target,
            layer_weights=layer_weights,
            progress=lambda pieces: session.progress(pieces, None, source.name),
        )

    session.for_each(pairs, listen)


def _motion_model(path: Path):
    from dd_tools.pipeline.models import load_motion_model

    return load_motion_model(path)


run = console_command("dd-audio", audio)
