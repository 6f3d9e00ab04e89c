"""Does pip find wheels of all dependencies, for every Python and platform that is supported?

    python tests/resolve.py

Needs a network, Python 3.11 or newer, and pip 25 or newer; takes minutes. Nothing is installed. pip chooses wheels for
the platform that it is asked for, but evaluates environment markers for the running one, so they are replaced.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import tomllib

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
LINUX = [f"manylinux_2_{minor}_{{machine}}" for minor in range(5, 40)] + ["manylinux2014_{machine}"]
# Tags of wheels; sys_platform, platform_system, platform_machine and os_name of PEP 508.
PLATFORMS = {
    "Linux x86-64": ([tag.format(machine="x86_64") for tag in LINUX], ("linux", "Linux", "x86_64", "posix")),
    "Linux arm64": ([tag.format(machine="aarch64") for tag in LINUX], ("linux", "Linux", "aarch64", "posix")),
    "macOS arm64": (["macosx_14_0_arm64"], ("darwin", "Darwin", "arm64", "posix")),
    "Windows x86-64": (["win_amd64"], ("win32", "Windows", "AMD64", "nt")),
}
PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
PIP_WITH_MARKERS = """
import sys
from pip._vendor.packaging import markers
names = ("sys_platform", "platform_system", "platform_machine", "os_name", "python_version", "python_full_version")
environment = markers.default_environment() | dict(zip(names, sys.argv.pop(1).split()))
markers.default_environment = lambda: environment
from pip._internal.cli.main import main
sys.exit(main())
"""


def resolve(python: str, tags: list[str], names: tuple[str, ...]) -> str:
    """pip's complaint, empty if everything was found."""
    environment = " ".join([*names, python, f"{python}.0"])
    command = [sys.executable, "-c", PIP_WITH_MARKERS, environment, "install", "--dry-run", "--quiet", "--no-input"]
    command += ["--only-binary=:all:", "--python-version", python, "--implementation", "cp"]
    command += [part for tag in tags for part in ("--platform", tag)]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([*command, "--target", folder, *PROJECT["dependencies"]], capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stderr.strip()


def main() -> int:
    """Print a line for every Python and platform; returns the number of those that cannot be installed."""
    failures = 0
    for python in PYTHONS:
        for platform, (tags, names) in PLATFORMS.items():
            error = resolve(python, tags, names)
            failures += bool(error)
            print(f"Python {python}, {platform}: {error or 'ok'}", flush=True)
    return failures


if __name__ == "__main__":
    sys.exit(main())
