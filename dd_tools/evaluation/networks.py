"""Opens the pretrained networks that LPIPS, LSE and FID need."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dd_tools.evaluation.measures.fid import Inception, SystemFid
from dd_tools.evaluation.measures.sync.syncnet import PUBLIC_URL, SyncExpert
from dd_tools.nn.device import open_device
from dd_tools.nn.lpips import Lpips, open_lpips


@dataclass(frozen=True)
class Networks:
    """The networks that are available; None for the others. notes: one line for each measure left out or limited."""

    lpips: Lpips | None
    expert: SyncExpert | None
    fid: SystemFid | None
    notes: list[str]


def open_networks(
    *,
    lpips: str | None,
    lpips_trunk: Path | None,
    syncnet: Path | None,
    inception: Path | None,
    device: str,
    say: Callable[[str], None],
) -> Networks:
    """Open the networks whose weights are given or cached.

    lpips, lpips_trunk: see `open_lpips`. syncnet, inception: files with weights, or None. device: see `open_device`.
    say: called with every note as it arises. Raises `DataError` and `UsageError` as those functions do.
    """
    notes: list[str] = []

    def note(line: str) -> None:
        notes.append(line)
        say(line)

    where = open_device(device)
    perceptual = open_lpips(lpips, lpips_trunk, where, note)
    expert = SyncExpert(syncnet, where) if syncnet else None
    if expert is None:
        note(f"LSE skipped: download SyncNet's weights ({PUBLIC_URL}) and pass them with --syncnet")
    elif not expert.is_public:
        note(f"'{syncnet}' does not hold SyncNet's public weights: its LSE cannot be compared with published values")
    return Networks(perceptual, expert, SystemFid(Inception(inception, where)) if inception else None, notes)
