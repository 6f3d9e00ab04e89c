"""Sets up the training of both stages, for any kind of model: preset, initial weights and data."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import torch

from dd_tools.diffdub import motion_training as diffdub_motion
from dd_tools.diffdub import renderer_training as diffdub_renderer
from dd_tools.errors import DataError, UsageError
from dd_tools.formats.checkpoint import MOTION, RENDERER, Checkpoint, read_checkpoint
from dd_tools.formats.history import sha256_of
from dd_tools.pipeline.models import check_options
from dd_tools.reporting import SILENT, Reporter
from dd_tools.training.sequences import ClipSequences
from dd_tools.training.settings import TrainingSettings
from dd_tools.training.task import Preset, TrainingTask
from dd_tools.warp import motion_training as warp_motion
from dd_tools.warp import renderer_training as warp_renderer

DEFAULT_PRESET = "warp"

_RENDERERS = {module.KIND: module for module in (diffdub_renderer, warp_renderer)}
_MOTION_MODELS = {module.KIND: module for module in (diffdub_motion, warp_motion)}
PRESETS = [name for module in _RENDERERS.values() for name in module.PRESETS]


def renderer_training(kind: str) -> ModuleType:
    """The module ``renderer_training`` for a kind of model. Raises `DataError` for an unknown kind."""
    return _of_kind(_RENDERERS, kind)


def motion_training(kind: str) -> ModuleType:
    """The module ``motion_training`` for a kind of model. Raises `DataError` for an unknown kind."""
    return _of_kind(_MOTION_MODELS, kind)


def _of_kind(table: Mapping[str, ModuleType], kind: str) -> ModuleType:
    if kind not in table:
        raise DataError(f"unknown kind of model '{kind}', expected {' or '.join(table)}")
    return table[kind]


def set_up_renderer_training(
    clips: Sequence[Path],
    *,
    preset: str | None = None,
    init: Path | None = None,
    speakers: Mapping[str, str] | None = None,
    eyes: bool = True,
    augment: bool = True,
    keep_encoder: bool = False,
    seed: int = 0,
    **options: object,
) -> tuple[TrainingTask, TrainingSettings]:
    """Set up the training of stage 1: the task, and the training settings of the preset.

    preset: one of `PRESETS`; None for the default. init: weights file to start from, which determines kind and sizes.
    speakers: clip name to speaker. eyes: False trains without the eyes' band. seed: of the weights of a new network.
    options: of this kind of model, such as perceptual; None if not given. Raises `UsageError` for an unknown preset and
    for options that do not fit.
    """
    checkpoint, kind, chosen = _start(_RENDERERS, RENDERER, preset, init)
    module = renderer_training(kind)
    given = check_options(f"training of a {kind} renderer", module.TRAINING_OPTIONS, options)
    torch.manual_seed(seed)
    network = module.network_from(checkpoint, init) if checkpoint else module.new_network(chosen.config)
    if not eyes:
        network.config = replace(network.config, eyes=False)
    task = module.renderer_task(
        network, clips, speakers=speakers or {}, augment=augment, keep_encoder=keep_encoder, **given
    )
    task.checkpoint.training |= {
        "clips": [path.stem for path in clips],
        "speakers": _known(speakers, [path.stem for path in clips]),
        "augment": augment,
        "keep_encoder": keep_encoder,
        "init": init.name if init else None,
        **{name: bool(value) for name, value in given.items()},
    }
    return task, chosen.settings


def set_up_distillation(
    clips: Sequence[Path],
    *,
    teacher: Path,
    steps_out: int,
    speakers: Mapping[str, str] | None = None,
    augment: bool = True,
) -> tuple[TrainingTask, TrainingSettings]:
    """Set up the distillation of a renderer: the task, and its training settings.

    teacher: weights file. steps_out: in which the student paints; its encoder and all its sizes are the teacher's.
    speakers, augment: see `set_up_renderer_training`. Raises `UsageError` for a kind that paints in one pass anyway.
    """
    checkpoint = read_checkpoint(teacher, RENDERER)
    module = renderer_training(checkpoint.kind)
    if module is not diffdub_renderer:
        raise UsageError(f"cannot distill '{teacher}': it holds a {checkpoint.kind} renderer, which has no steps")
    task = module.distillation_task(
        module.network_from(checkpoint, teacher), clips, num_steps=steps_out, speakers=speakers or {}, augment=augment
    )
    names = [path.stem for path in clips]
    task.checkpoint.training |= {
        "clips": names,
        "speakers": _known(speakers, names),
        "augment": augment,
        "teacher": teacher.name,
        "teacher_sha256": sha256_of(teacher),
    }
    return task, module.DISTILLATION


def set_up_motion_training(
    clips: Sequence[ClipSequences],
    *,
    preset: str | None = None,
    init: Path | None = None,
    speech_model: str | None = None,
    speakers: Mapping[str, str] | None = None,
    augment: bool = True,
    seed: int = 0,
    report: Reporter = SILENT,
) -> tuple[TrainingTask, TrainingSettings]:
    """Set up the training of stage 2: the task, and the training settings of the preset.

    preset: one of `PRESETS`; None for the default. init: weights file to start from, which determines kind and sizes.
    speech_model: the one that made the features; None for the preset's, whose sizes the features must then have.
    speakers: clip name to speaker. seed: of the weights of a new network. Raises `UsageError` for an unknown preset and
    for features that do not fit.
    """
    checkpoint, kind, chosen = _start(_MOTION_MODELS, MOTION, preset, init)
    if init and speech_model:
        raise UsageError("--init determines the speech model; leave out --speech-model")
    module = motion_training(kind)
    torch.manual_seed(seed)
    if checkpoint:
        network = module.network_from(checkpoint, init)
    else:
        config = chosen.config
        layers, width, _ = clips[0].sizes
        if speech_model is None and (layers, width) != (config.speech_layers, config.speech_width):
            raise UsageError(
                f"speech has {layers} layers of {width} features, {config.speech_model} makes {config.speech_layers} "
                f"of {config.speech_width}: name the model that made it with --speech-model"
            )
        network = module.new_network(module.configure(config, clips[0], speech_model or config.speech_model))
    task = module.motion_task(
        network, clips, speakers=speakers or {}, augment=augment, is_new=checkpoint is None, report=report
    )
    task.checkpoint.training |= {
        "clips": [clip.name for clip in clips],
        "speakers": _known(speakers, [clip.name for clip in clips]),
        "augment": augment,
        "init": init.name if init else None,
    }
    return task, chosen.settings


def _known(speakers: Mapping[str, str] | None, names: Sequence[str]) -> dict[str, str]:
    """The speakers of the clips that are trained on."""
    return {name: speakers[name] for name in names if name in speakers} if speakers else {}


def _start(
    table: Mapping[str, ModuleType], stage: str, preset: str | None, init: Path | None
) -> tuple[Checkpoint | None, str, Preset]:
    """The checkpoint to start from, or None, the kind of model, and the preset."""
    presets = {name: (kind, one) for kind, module in table.items() for name, one in module.PRESETS.items()}
    if preset is not None and preset not in presets:
        raise UsageError(f"unknown preset '{preset}', expected {', '.join(presets)}")
    if init is None:
        return None, *presets[preset or DEFAULT_PRESET]
    checkpoint = read_checkpoint(init, stage)
    of_kind = _of_kind(table, checkpoint.kind).PRESETS
    if preset is None:
        return checkpoint, checkpoint.kind, next(iter(of_kind.values()))
    if preset not in of_kind:
        raise UsageError(f"'{init}' holds a {checkpoint.kind} {stage}, preset '{preset}' is of another kind")
    return checkpoint, checkpoint.kind, of_kind[preset]


def with_choices(settings: TrainingSettings, **choices: object) -> TrainingSettings:
    """The settings with the user's choices; None keeps the preset's."""
    return replace(settings, **{name: value for name, value in choices.items() if value is not None})
