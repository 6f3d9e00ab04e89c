"""dd-train-seq: latents and speech features to motion model weights."""

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
    Init,
    LearningRate,
    NoAugment,
    Preset,
    Resume,
    SaveEvery,
    Speakers,
    Steps,
    TensorBoard,
    Workers,
    initial_weights,
    run_training,
    training_files,
)

Latents = Annotated[
    list[Path], typer.Argument(metavar="LATENTS.npy...", help="Latents to train on, or folders of latents.")
]
Output = Annotated[Path, typer.Option("-o", "--output", metavar="MOTION.safetensors", help="Output weights.")]
SpeechFolder = Annotated[
    Path, typer.Option("--speech", metavar="DIR", help="Folder of speech features: those of NAME.npy are DIR/NAME.npy.")
]
Delays = Annotated[
    Path | None,
    typer.Option(metavar="FILE.tsv", help="Clip name, tab, delay of its video against its audio in 1/25 s."),
]
SpeechModel = Annotated[
    str | None, typer.Option(metavar="NAME", help="Speech model that made the features.  [default: the preset's]")
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

    While training, the state is in MOTION.state.safetensors and the losses in MOTION.csv; MOTION.safetensors appears
    after the last step. SIGTERM and Ctrl-C save the state and exit; --resume continues to the same result. With several
    GPUs or machines, start it under torchrun.
    """
    from dd_tools.formats.atomic import check_output_path
    from dd_tools.nn.device import DTYPES, open_device
    from dd_tools.pipeline.training import motion_run, with_choices
    from dd_tools.training.clips import read_delays, read_speakers
    from dd_tools.training.sequences import read_all_sequences

    check_output_path(output)
    one_of("dtype", dtype, DTYPES)
    place = open_device(device)
    late = read_delays(delays) if delays else {}
    groups = read_speakers(speakers) if speakers else {}
    files = training_files(session, latents, "*.npy", exclude, data_fraction, {delays: late, speakers: groups})
    clips = read_all_sequences(files, speech, late)
    init = initial_weights(init, "motion")
    task, settings = motion_run(
        clips,
        preset=preset,
        init=init,
        speech_model=speech_model,
        speakers=groups,
        augment=not no_augment,
        seed=seed,
        report=session,
    )
    task.checkpoint.training["delays"] = {clip.name: late[clip.name] for clip in clips if clip.name in late}
    settings = with_choices(
        settings,
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        save_every=save_every,
        seed=seed,
        workers=workers,
    )
    history = session.history([init] if init else [], wanted=not no_history)
    run_training(
        session, task, settings, output, history, device=place, dtype=dtype, resume=resume, tensorboard=tensorboard
    )


run = console_command("dd-train-seq", train_seq)
