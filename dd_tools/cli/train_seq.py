"""dd-train-seq: latents and speech features in, motion model weights out."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from dd_tools.cli.common import (
    Device,
    Dtype,
    NoHistory,
    Seed,
    Session,
    console_command,
    expand_folders,
    one_of,
    torch_device,
    training_progress,
)
from dd_tools.cli.train_ae import (
    BatchSize,
    DataFraction,
    Exclude,
    LearningRate,
    Preset,
    Resume,
    SaveEvery,
    Speakers,
    Steps,
    TensorBoard,
    Workers,
)
from dd_tools.errors import DataError, UsageError

Latents = Annotated[
    list[Path], typer.Argument(metavar="LATENTS.npy...", help="Learn to make these latents, or all in these folders.")
]
Output = Annotated[
    Path, typer.Option("-o", "--output", metavar="MOTION.safetensors", help="Write the trained weights here.")
]
SpeechFolder = Annotated[
    Path, typer.Option("--speech", metavar="DIR", help="Find the speech features of NAME.npy as DIR/NAME.npy.")
]
SpeechModel = Annotated[
    str | None, typer.Option(metavar="NAME", help="Record that this model made the features.  [default: the preset's]")
]
Init = Annotated[
    Path | None, typer.Option(metavar="MOTION.safetensors", help="Start from these weights and their sizes.")
]


def train_seq(
    session: Session,
    latents: Latents,
    output: Output,
    speech: SpeechFolder,
    speech_model: SpeechModel = None,
    preset: Preset = None,
    init: Init = None,
    steps: Steps = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
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
    from dd_tools.training.clips import fraction_of, read_names, read_speakers
    from dd_tools.training.loop import DTYPES, train

    check_output_path(output)
    one_of("dtype", dtype, DTYPES)
    place = torch_device(device)
    name = one_of("preset", preset or "default", PRESETS)
    if init and (preset or speech_model):
        raise UsageError("--init brings its own sizes; leave out --preset and --speech-model")
    paths = {path.stem: path for path in expand_folders(latents, "*.npy")}
    kept = fraction_of([stem for stem in paths if stem not in (read_names(exclude) if exclude else ())], data_fraction)
    if not kept:
        raise DataError("no latents to train on")
    pairs = read_pairs([paths[stem] for stem in kept], speech)
    torch.manual_seed(seed)  # the weights a new model starts with
    model = load_motion_model(init) if init else MotionModel(fitted(PRESETS[name], pairs[0], speech_model))
    data = MotionData(pairs, model.config, read_speakers(speakers) if speakers else {})
    if model.config.residual and not init:
        data.fit(model)
    chosen = {"steps": steps, "batch_size": batch_size, "learning_rate": learning_rate, "save_every": save_every}
    settings = replace(
        TRAINING_PRESETS[name],
        seed=seed,
        workers=workers,
        **{key: value for key, value in chosen.items() if value is not None},
    )
    notes = {"clips": kept, "init": init.name if init else None}
    checkpoint = Checkpoint(
        MOTION, model.config.to_json(), {}, notes, session.history([init] if init else [], wanted=not no_history)
    )
    finished = train(
        LatentError(model),
        data,
        settings,
        checkpoint,
        output,
        device=place,
        dtype=dtype,
        resume=resume,
        tensorboard=tensorboard,
        progress=training_progress(session),
    )
    if not finished:
        session.say("stopped; the state is saved, go on with --resume")
        raise typer.Exit(143)


run = console_command("dd-train-seq", train_seq)
