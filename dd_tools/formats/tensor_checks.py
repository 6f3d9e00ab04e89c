"""What the tensors of a weights file must be, whoever made it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from dd_tools.errors import DataError

Module = TypeVar("Module", bound=nn.Module)


def check_tensors(tensors: Mapping[str, Tensor], path: str | Path) -> None:
    """Raise `DataError` for a tensor that is not a plain array of finite real numbers.

    A pickle can also hold tensors without numbers (meta), or with many more values than it stores (expanded, sparse).
    path: the file, for the message.
    """
    for name, tensor in tensors.items():
        if not _is_plain(tensor):
            raise DataError(f"cannot use '{path}': tensor '{name}' is not a plain array of real numbers")
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise DataError(f"cannot use '{path}': tensor '{name}' holds NaN or infinite values")


def _is_plain(tensor: Tensor) -> bool:
    if type(tensor) not in (Tensor, nn.Parameter) or tensor.layout != torch.strided or tensor.device.type != "cpu":
        return False
    if tensor.is_quantized or tensor.is_complex():
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def check_fit(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: str | Path) -> None:
    """Raise `DataError` unless `tensors` have the names, shapes and kinds of numbers of the `expected` ones."""
    for name in [*expected, *tensors]:
        ours, found = (_described(group.get(name)) for group in (expected, tensors))
        if ours != found:
            raise DataError(f"cannot use '{path}': tensor '{name}' is {found or 'missing'}, expected {ours or 'none'}")


def _described(tensor: Tensor | None) -> str | None:
    if tensor is None:
        return None
    return f"{tuple(tensor.shape)}" + ("" if tensor.is_floating_point() else " of integers")


def on_meta(build: Callable[[], Module], tensors: int) -> Module:
    """The module that `build` returns, built on the meta device: without memory, and without time for random weights.

    tensors: how many there are to fill it. Raises `DataError` when it gets many more parameters than that, as a
    configuration can ask for more than could ever be built.
    """
    count = 0

    def note(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal count
        count += 1
        if count > 2 * tensors + 100:  # a parameter may be set twice
            raise DataError(f"its configuration is that of a larger network than one of {tensors} tensors")

    hook = register_module_parameter_registration_hook(note)
    try:
        with torch.device("meta"):
            return build()
    finally:
        hook.remove()
