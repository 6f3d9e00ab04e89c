"""The training log: a CSV row every few steps, and TensorBoard if asked for."""

import contextlib
import csv
from collections.abc import Iterator
from pathlib import Path

from dd_tools.errors import DataError, reason

COLUMNS = ("step", "loss", "learning_rate", "gradient_norm", "seconds")


class TrainingLog:
    """Appends rows to the CSV file at `path`, after dropping those beyond `step`, which an interrupted run left.

    tensorboard: folder for TensorBoard, None for no such log. Raises `DataError` if TensorBoard is not installed or the
    file is no log, and like every method if the file cannot be written.
    """

    def __init__(self, path: Path, step: int, tensorboard: Path | None = None):
        self._path = path
        with self._errors():
            kept = self._rows_up_to(path, step)
            self._stream = open(path, "w", newline="", encoding="utf-8")  # noqa: SIM115 - open as long as the log
            self._writer = csv.DictWriter(self._stream, COLUMNS)
            self._writer.writeheader()
            self._writer.writerows(kept)
        self._board = _open_tensorboard(tensorboard) if tensorboard else None

    @staticmethod
    def _rows_up_to(path: Path, step: int) -> list[dict]:
        if step == 0 or not path.exists():
            return []
        try:
            with open(path, newline="", encoding="utf-8") as stream:
                return [
                    {column: row[column] for column in COLUMNS}
                    for row in csv.DictReader(stream)
                    if int(row["step"]) <= step
                ]
        except (OSError, ValueError, KeyError, TypeError, csv.Error):
            raise DataError(f"cannot read '{path}': not the log of this training; move it away") from None

    def write(self, **row: float) -> None:
        """Write a row, with a value for each of `COLUMNS`."""
        with self._errors():
            self._writer.writerow(
                {key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()}
            )
            self._stream.flush()
        if self._board:
            for key in COLUMNS[1:]:
                self._board.add_scalar(key, row[key], row["step"])

    def close(self) -> None:
        """Flush and close."""
        with self._errors():
            self._stream.close()
            if self._board:
                self._board.close()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise an `OSError` as a `DataError` that names the file."""
        try:
            yield
        except OSError as error:
            raise DataError(f"cannot write '{self._path}': {reason(error)}") from None


def _open_tensorboard(folder: Path):
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise DataError("cannot log to TensorBoard: it is not installed; pip install tensorboard") from None
    return SummaryWriter(folder)
