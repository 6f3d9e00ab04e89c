"""The options of dd-eval that name the networks of measures."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dd_tools.evaluation.networks import NetworkFiles


@dataclass(frozen=True)
class NetworkOptions:
    """Which networks to use, and what SyncNet sees."""

    lpips: Annotated[
        str | None,
        typer.Option(metavar="alex|vgg", help="Trunk of LPIPS; downloaded if torchvision has not cached it."),
    ] = None
    lpips_trunk: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weights of the LPIPS trunk (.pth, .safetensors, .npz).")
    ] = None
    syncnet: Annotated[Path | None, typer.Option(metavar="FILE", help="Weights of SyncNet; needed for LSE.")] = None
    sync_crop: Annotated[
        str, typer.Option(metavar="real|lrs", help="Input of SyncNet: a square around the face, or the whole frame.")
    ] = "real"
    fid: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weights of torchvision's Inception v3; needed for FID.")
    ] = None
    identity: Annotated[
        Path | None, typer.Option(metavar="ONNX", help="Face recognition network; needed for identity.")
    ] = None
    lipscore: Annotated[Path | None, typer.Option(metavar="ONNX", help="Lip reading network; needed for LipScore.")] = (
        None
    )
    fvd: Annotated[Path | None, typer.Option(metavar="ONNX", help="Video network, such as I3D; needed for FVD.")] = None
    topiq: Annotated[Path | None, typer.Option(metavar="ONNX", help="Image quality network; needed for TOPIQ.")] = None

    def files(self) -> "NetworkFiles":
        """The files of the networks."""
        from dd_tools.evaluation.networks import NetworkFiles

        return NetworkFiles(
            lpips=self.lpips,
            lpips_trunk=self.lpips_trunk,
            syncnet=self.syncnet,
            fid=self.fid,
            identity=self.identity,
            lipscore=self.lipscore,
            fvd=self.fvd,
            topiq=self.topiq,
        )


NO_NETWORKS = NetworkOptions()
