"""A file that h5py can write to without crashing when the disk is full."""

import contextlib
import io
from collections.abc import Iterator

from dd_tools.stopping import uninterruptible


class Hdf5Output(io.FileIO):
    """A file object for h5py whose writes never fail: after the first error it discards what is written.

    The HDF5 library cannot close a file after a failed write, and crashes at exit. So close the file first, then call
    `raise_failure`. For the same reason, signals do not interrupt a write.
    """

    _failure: OSError | None = None

    @uninterruptible
    def write(self, content: memoryview) -> int:
        """Write all of `content`, or discard it after a failure. Returns its number of bytes."""
        rest = memoryview(content).cast("B")
        while len(rest) and self._failure is None:
            with self._keep_failure():
                rest = rest[super().write(rest) :]
        return len(content)

    @uninterruptible
    def truncate(self, size: int | None = None) -> int:
        """Resize the file. Returns the new size."""
        with self._keep_failure():
            return super().truncate(size)
        return size or 0

    def raise_failure(self) -> None:
        """Raise the `OSError` of the first failure, if there was one."""
        if self._failure:
            raise self._failure

    @contextlib.contextmanager
    def _keep_failure(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._failure = self._failure or error
