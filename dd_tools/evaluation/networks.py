"""Opens the networks that some measures need. torch is slow to import, so only those who need it do."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dd_tools.evaluation.given_network import Contract, GivenNetwork
from dd_tools.evaluation.measures import fvd, identity, image_quality, lip_score
from dd_tools.evaluation.measures.fid import SystemFid
from dd_tools.evaluation.protocol import GivenNetworks
from dd_tools.nn.lpips_trunk import ALEX, find_trunk

if TYPE_CHECKING:
    import torch

    from dd_tools.evaluation.measures.sync.syncnet import SyncExpert
    from dd_tools.nn.lpips import Lpips

SYNCNET_URL = "http://www.robots.ox.ac.uk/~vgg/software/lipsync/data/syncnet_v2.model"  # the authors' weights

Device = Callable[[], "torch.device"]


@dataclass(frozen=True)
class NetworkFiles:
    """Where the networks are; None leaves a measure out.

    lpips, lpips_trunk: see `find_trunk`. syncnet, fid: files with weights of SyncNet and Inception v3. The others are
    ONNX files, see the `INPUT` of each measure.
    """

    lpips: str | None = None
    lpips_trunk: Path | None = None
    syncnet: Path | None = None
    fid: Path | None = None
    identity: Path | None = None
    lipscore: Path | None = None
    fvd: Path | None = None
    topiq: Path | None = None


@dataclass(frozen=True)
class Networks:
    """The networks that are available; None for the others.

    given: those that the user has given as ONNX files. pooled: of measures over all frames of a system. notes: one line
    for each measure left out or limited.
    """

    lpips: "Lpips | None"
    expert: "SyncExpert | None"
    given: GivenNetworks
    pooled: list[SystemFid]
    notes: list[str]


def open_networks(files: NetworkFiles, device: str, say: Callable[[str], None]) -> Networks:
    """Open the networks whose weights are given or cached.

    device: see `open_device`; ONNX files are computed on the CPU. say: called with every note as it arises, and with
    the SHA-256 of every ONNX file. Raises `DataError` and `UsageError` as the functions that open the networks do.
    """
    notes: list[str] = []

    def note(line: str) -> None:
        notes.append(line)
        say(line)

    def given(path: Path | None, contract: Contract) -> GivenNetwork | None:
        return _open_given(path, contract, say) if path else None

    where = cache(lambda: _open_device(device))
    perceptual = _open_lpips(files, where, note)
    expert = _open_expert(files.syncnet, where, note)
    pooled = [_open_fid(files.fid, where)] if files.fid else []
    if video := given(files.fvd, fvd.INPUT):
        pooled.append(fvd.SystemFvd(fvd.VideoNetwork(video)))
    onnx = GivenNetworks(
        given(files.identity, identity.INPUT),
        given(files.lipscore, lip_score.INPUT),
        given(files.topiq, image_quality.INPUT),
    )
    return Networks(perceptual, expert, onnx, pooled, notes)


def _open_device(name: str) -> "torch.device":
    from dd_tools.nn.device import open_device

    return open_device(name)


def _open_lpips(files: NetworkFiles, device: Device, note: Callable[[str], None]) -> "Lpips | None":
    trunk = find_trunk(files.lpips, files.lpips_trunk, note)
    if trunk is None:
        return None
    from dd_tools.nn.lpips import Lpips

    return Lpips(files.lpips or ALEX, trunk, device())


def _open_fid(path: Path, device: Device) -> SystemFid:
    from dd_tools.evaluation.measures.inception import Inception

    return SystemFid(Inception(path, device()))


def _open_expert(path: Path | None, device: Device, note: Callable[[str], None]) -> "SyncExpert | None":
    if path is None:
        note(f"LSE skipped: download SyncNet's weights ({SYNCNET_URL}) and pass them with --syncnet")
        return None
    from dd_tools.evaluation.measures.sync.syncnet import SyncExpert

    expert = SyncExpert(path, device())
    if not expert.is_public:
        note(f"'{path}' does not hold SyncNet's public weights: its LSE cannot be compared with published values")
    return expert


def _open_given(path: Path, contract: Contract, say: Callable[[str], None]) -> GivenNetwork:
    network = GivenNetwork(path, contract)
    say(f"{contract.option} uses '{path}' (SHA-256 {network.fingerprint}…)")
    return network
