"""dd-train-ae: clips to renderer weights."""

from functools import partial
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

Clips = Annotated[list[Path], typer.Argument(metavar="CLIP.h5...", help="Clips to train on, or folders of clips.")]
Output = Annotated[Path, typer.Option("-o", "--output", metavar="RENDERER.safetensors", help="Output weights.")]
Perceptual = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Add LPIPS to the loss of a warp renderer, with this AlexNet trunk."),
]
KeepEncoder = Annotated[
    bool, typer.Option("--keep-encoder", help="Freeze the encoder, so that latents and motion models stay valid.")
]
NoEyes = Annotated[bool, typer.Option("--no-eyes", help="Leave the eyes' band out of the face image (ablation).")]


def train_ae(
    session: Session,
    clips: Clips,
    output: Output,
    preset: Preset = None,
    init: Init = None,
    keep_encoder: KeepEncoder = False,
    perceptual: Perceptual = None,
    steps: Steps = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    no_eyes: NoEyes = False,
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
    """Train stage 1: the semantic encoder and the renderer.

    While training, the state is in RENDERER.state.safetensors and the losses in RENDERER.csv; RENDERER.safetensors
    appears after the last step. SIGTERM and Ctrl-C save the state and exit; --resume continues to the same result. With
    several GPUs or machines, start it under torchrun.
    """
    from dd_tools.formats.atomic import check_output_path
    from dd_tools.nn.device import DTYPES, open_device
    from dd_tools.pipeline.training import renderer_run, with_choices
    from dd_tools.training.clips import read_speakers

    check_output_path(output)
    one_of("dtype", dtype, DTYPES)
    place = open_device(device)
    groups = read_speakers(speakers) if speakers else {}
    files = training_files(session, clips, "*.h5", exclude, data_fraction, {speakers: groups})
    init = initial_weights(init, "renderer")
    task, settings = renderer_run(
        files,
        preset=preset,
        init=init,
        speakers=groups,
        eyes=not no_eyes,
        augment=not no_augment,
        keep_encoder=keep_encoder,
        seed=seed,
        perceptual=partial(_distance, perceptual) if perceptual else None,
    )
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


def _distance(trunk: Path):
    """LPIPS with the trunk in a file."""
    from dd_tools.evaluation.perceptual import ALEX, Lpips

    return Lpips(ALEX, trunk).between


run = console_command("dd-train-ae", train_ae)
