"""dd-train-seq: latents and speech features in, motion model weights out."""

from pathlib import Path
from typing import Annotated

import typer

from dd_tools.cli.command import console_command
from dd_tools.cli.options import Device, Dtype, NoHistory, Seed, one_of
from dd_tools.cli.session import Session
from dd_tools.cli.training import (
    BatchSize,
    DataFraction,
    Exclude,
    LearningRate,
    NoAugment,
    Preset,
    Resume,
    SaveEvery,
    Speakers,
    Steps,
    TensorBoard,
    Workers,
    run_training,
    settings_from,
    training_files,
    weights_named,
)
from dd_tools.errors import UsageError

Latents = Annotated[
    list[Path], typer.Argument(metavar="LATENTS.npy...", help="Learn to make these latents, or all in these folders.")
]
Output = Annotated[
    Path, typer.Option("-o", "--output", metavar="MOTION.safetensors", help="Write the trained weights here.")
]
SpeechFolder = Annotated[
    Path, typer.Option("--speech", metavar="DIR", help="Find the speech features of NAME.npy as DIR/NAME.npy.")
]
Delays = Annotated[
    Path | None,
    typer.Option(metavar="FILE.tsv", help="Shift clips whose picture is late: clip name, tab, 25ths of a second."),
]
SpeechModel = Annotated[
    str | None, typer.Option(metavar="NAME", help="Record that this model made the features.  [default: the preset's]")
]
Init = Annotated[
    Path | None,
    typer.Option(
        metavar="MOTION.safetensors|default",
        help="Start from these weights, or the shipped ones; the preset then only sets the training.",
    ),
]


def train_seq(
    session: Session,
    latents: Latents,
    output: Output,
    speech: SpeechFolder,
    delays: Delays = None,
    speech_model: SpeechModel = None,
    preset: Preset = None,
    init: Init = None,
    steps: Steps = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    no_augment: NoAugment = False,
    data_fraction: DataFraction = 1.0,
    exclude: Exclude = None,
    speakers: Speakers = None,
    save_every: SaveEvery = None,
    workers: Workers = 0,
    seed: Seed = 0,
    resume: Resume = False,
    device: Device = "auto",
    dtype: Dtype = "fp32",
    tensorboard: TensorBoard = None,
    no_history: NoHistory = False,
) -> None:
    """Train stage 2: the motion model.

    The state lies in MOTION.state.safetensors while training, the losses in MOTION.csv; MOTION.safetensors appears
    when the last step is done. SIGTERM and Ctrl-C save the state and exit; --resume goes on from there to the same
    numbers. With several GPUs or machines, start it under torchrun.
    """
    import torch

    from dd_tools.formats.atomic import check_output_path
    from dd_tools.formats.checkpoint import MOTION, Checkpoint
    from dd_tools.motion.config import PRESETS
    from dd_tools.motion.model import MotionModel, load_motion_model
    from dd_tools.motion.objective import LatentError
    from dd_tools.motion.training import TRAINING_PRESETS, MotionData, fitted, read_pairs
    from dd_tools.nn.device import open_device
    from dd_tools.training.clips import read_delays, read_speakers
    from dd_tools.training.loop import DTYPES

    check_output_path(output)
    one_of("dtype", dtype, DTYPES)
    place = open_device(device)
    name = one_of("preset", preset or "default", PRESETS)
    init = weights_named(init, "motion")
    if init and speech_model:
        raise UsageError("--init knows what it hears; leave out --speech-model")
    late = read_delays(delays) if delays else {}
    groups = read_speakers(speakers) if speakers else {}
    files = training_files(session, latents, "*.npy", exclude, data_fraction, {delays: late, speakers: groups})
    pairs = read_pairs(files, speech, late)
    torch.manual_seed(seed)  # the weights a new model starts with
    model = load_motion_model(init) if init else MotionModel(fitted(PRESETS[name], pairs[0], speech_model))
    if not init and PRESETS[name].z_points and not model.config.z_points:
        session.say("the latents do not end in the landmarks of a frontal face: the model will not know the lips")
    augment = model.config.residual and not no_augment
    silence = _silence(model.config, session) if augment and model.config.z_points else None
    data = MotionData(pairs, model.config, groups, augment=augment, silence=silence)
    if model.config.residual and not init:
        data.fit(model)
    settings = settings_from(
        TRAINING_PRESETS[name],
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        save_every=save_every,
        seed=seed,
        workers=workers,
    )
    notes = {
        "clips": [pair.name for pair in pairs],
        "init": init.name if init else None,
        "augment": data.augment,
        "silence": silence is not None,
        "delays": {pair.name: late[pair.name] for pair in pairs if pair.name in late},
    }
    checkpoint = Checkpoint(
        MOTION, model.config.to_json(), {}, notes, session.history([init] if init else [], wanted=not no_history)
    )
    run_training(
        session,
        LatentError(model),
        data,
        settings,
        checkpoint,
        output,
        device=place,
        dtype=dtype,
        resume=resume,
        tensorboard=tensorboard,
    )


def _silence(config, session: Session):
    """What the speech model of a configuration hears in silence (L, T, D); None, and a word about it, where that cannot
    be had.
    """
    from dd_tools.errors import DataError
    from dd_tools.speech.registry import open_speech_model
    from dd_tools.speech.silence import silence

    try:
        heard = silence(open_speech_model(config.speech_model, report=session))
    except DataError as error:
        session.say(f"training without silence: {error}")
        return None
    if (len(heard), heard.shape[-1]) != (config.speech_layers, config.speech_width):
        session.say("training without silence: the features are not as their model makes them")
        return None
    return heard


run = console_command("dd-train-seq", train_seq)
