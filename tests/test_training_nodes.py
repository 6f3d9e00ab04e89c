"""Training on two machines: network namespaces that are joined by a cable and share the disk."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from factories import dummy_clip
from safetensors.torch import load_file
from test_training_clip_files import overwrite
from training_tasks import write_clips

from dd_tools.formats.checkpoint import RENDERER, read_checkpoint

COMMAND = [sys.executable, "-c", "from dd_tools.cli.train_ae import run; run()"]
STEPS, SAVED = 60, 5
PREFIX = f"dd{os.getpid()}"
ADDRESSES = ("10.213.77.1", "10.213.77.2")
# The nodes count their restarts differently, and a store that they share would mix up those of different counts.
ENVIRONMENT = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1", "OMP_NUM_THREADS": "1"}
PATIENCE = 120  # seconds


def ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


def kill_all(node: int) -> None:
    """Kill every process of a node at once, as when its power fails, but that its connections are closed."""
    for process in ip("netns", "pids", f"{PREFIX}-{node}").split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(process), signal.SIGKILL)


@pytest.fixture(scope="module")
def network() -> Iterator[None]:
    if shutil.which("ip") is None or os.geteuid():
        pytest.skip("needs ip (iproute2) and root")
    names = [f"{PREFIX}-{node}" for node in (0, 1)]
    try:
        try:
            for name in names:
                ip("netns", "add", name)
            ip("link", "add", "cable", "netns", names[0], "type", "veth", "peer", "name", "cable", "netns", names[1])
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces are not permitted: {error.stderr.strip()}")
        for name, address in zip(names, ADDRESSES, strict=True):
            ip("-n", name, "address", "add", f"{address}/24", "dev", "cable")
            for device in ("lo", "cable"):
                ip("-n", name, "link", "set", device, "up")
        yield
    finally:
        for node, name in enumerate(names):
            with contextlib.suppress(subprocess.CalledProcessError):
                kill_all(node)
                ip("netns", "delete", name)


class TwoNodes:
    """A training on both nodes. logs: what each has printed, also by those before it was started again."""

    def __init__(self, folder: Path, output: str):
        self.folder, self.output = folder, folder / output
        self.agents = [self.start(node) for node in (0, 1)]

    def start(self, node: int) -> subprocess.Popen:
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1"]
        torchrun += ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"{ADDRESSES[0]}:29400", "--rdzv-id", "training"]
        torchrun += ["--rdzv-conf", f"is_host={1 - node},join_timeout={PATIENCE}", "--local-addr", ADDRESSES[node]]
        torchrun += ["--max-restarts", "3", "--monitor-interval", "0.1", "--no-python"]
        training = [*COMMAND, str(self.folder)]
        options = ["--preset", "tiny-warp", "--steps", str(STEPS), "--save-every", str(SAVED), "--device", "cpu"]
        options += ["--no-history", "--resume", "-o", str(self.output)]
        with open(self.log(node), "a") as log:
            return subprocess.Popen(
                ["ip", "netns", "exec", f"{PREFIX}-{node}", *torchrun, *training, *options],
                stdout=log, stderr=log, env=os.environ | ENVIRONMENT | {"GLOO_SOCKET_IFNAME": "cable"},
            )  # fmt: skip

    def log(self, node: int) -> Path:
        return self.output.with_suffix(f".{node}.log")

    def wait_for_step(self, step: int) -> None:
        """Wait until a state after this step or a later one is saved."""
        state, deadline = self.output.with_suffix(".state.safetensors"), time.monotonic() + PATIENCE
        while not state.exists() or load_file(state)["step"] < step:
            assert not self.output.exists(), "the training was finished before it could be interrupted"
            assert time.monotonic() < deadline, self.printed()
            time.sleep(0.02)

    def worker(self, node: int) -> int:
        """The training process on a node: the one that was started last."""
        processes = map(int, ip("netns", "pids", f"{PREFIX}-{node}").split())
        return max(process for process in processes if process != self.agents[node].pid)

    def finish(self) -> None:
        assert [agent.wait(PATIENCE) for agent in self.agents] == [0, 0], self.printed()

    def printed(self) -> str:
        return "\n".join(self.log(node).read_text() for node in (0, 1))


@pytest.fixture(scope="module")
def whole(network, tmp_path_factory) -> Path:
    """A folder of clips, with the weights of a training that was not interrupted."""
    folder = tmp_path_factory.mktemp("nodes")
    write_clips(folder)
    TwoNodes(folder, "whole.safetensors").finish()
    assert read_checkpoint(folder / "whole.safetensors", RENDERER).training["processes"] == 2
    return folder


@pytest.mark.slow
def test_a_training_goes_on_after_a_process_was_killed(whole):
    training = TwoNodes(whole, "killed.safetensors")
    training.wait_for_step(2 * SAVED)
    os.kill(training.worker(1), signal.SIGKILL)
    training.finish()
    assert (whole / "killed.safetensors").read_bytes() == (whole / "whole.safetensors").read_bytes()


@pytest.mark.slow
def test_a_training_goes_on_after_a_node_was_started_again(whole):
    training = TwoNodes(whole, "failed.safetensors")
    training.wait_for_step(2 * SAVED)
    kill_all(1)
    training.agents[1].wait()
    training.agents[1] = training.start(1)
    training.finish()
    assert (whole / "failed.safetensors").read_bytes() == (whole / "whole.safetensors").read_bytes()


@pytest.mark.slow
def test_a_damaged_clip_ends_all_processes_with_its_name_after_the_state_is_saved(tmp_path):
    """One of two processes draws it."""
    for name in (f"{number:02}" for number in range(20)):
        dummy_clip(tmp_path / f"{name}.h5", 2)
    overwrite(tmp_path / "17.h5", "landmarks", 0)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python"]
    command += [*COMMAND, str(tmp_path), "-o", str(tmp_path / "x.safetensors")]
    command += ["--preset", "tiny-warp", "--steps", "2000", "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=os.environ | ENVIRONMENT)
    lines = [line for line in done.stderr.splitlines() if line.startswith("dd-train-ae: cannot")]
    start = f"dd-train-ae: cannot read '{tmp_path}/17.h5': damaged clip file"
    assert done.returncode == 1 and len(lines) == 2 and all(line.startswith(start) for line in lines), done.stderr
    assert 0 < load_file(tmp_path / "x.state.safetensors")["step"] < 2000
