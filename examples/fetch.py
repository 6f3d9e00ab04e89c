"""Download a file and keep it only if it has the right SHA-256.

    python fetch.py URL SHA256 FILE

FILE appears under its name when it is complete and checked; its folder is created. Exits with 1 otherwise.
"""

import hashlib
import os
import re
import sys
import urllib.request
from pathlib import Path

BLOCK = 1 << 20  # bytes


def fetch(url: str, sha256: str, target: Path) -> None:
    """Write the content of `url` to `target`. Raises `ValueError` if its SHA-256 is another, `OSError` if it fails."""
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise ValueError(f"'{sha256}' is not a SHA-256, expected 64 hexadecimal digits")
    target.parent.mkdir(parents=True, exist_ok=True)
    part, digest = target.with_name(f".{target.name}.{os.getpid()}.part"), hashlib.sha256()
    try:
        with urllib.request.urlopen(url, timeout=60) as source, open(part, "wb") as file:
            while block := source.read(BLOCK):
                digest.update(block)
                file.write(block)
        if digest.hexdigest() != sha256:
            raise ValueError(f"'{url}' has the SHA-256 {digest.hexdigest()}, expected {sha256}")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


if __name__ == "__main__":
    try:
        fetch(sys.argv[1], sys.argv[2].lower(), Path(sys.argv[3]))
    except (OSError, ValueError) as error:
        sys.exit(f"fetch.py: {error}")
