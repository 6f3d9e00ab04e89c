"""Mean distances between lip and audio embeddings for every shift of the audio."""

import numpy as np

MAX_SHIFT = 15  # frames, in either direction
EPSILON = 1e-6  # added to differences, as in torch.nn.functional.pairwise_distance


class ShiftDistances:
    """Sums the distances of lip windows to the audio windows −15 … 15 frames away.

    Beyond both ends of the audio, embeddings are zero, as in the published code.
    """

    def __init__(self) -> None:
        self._sums, self._count = np.zeros(2 * MAX_SHIFT + 1), 0
        self._lips: np.ndarray | None = None  # embeddings of the windows not yet compared
        self._audio: np.ndarray | None = None  # embeddings, from 15 windows before the first of them

    def add(self, lips: np.ndarray, audio: np.ndarray) -> None:
        """Take the embeddings (B,D) of the next windows."""
        if self._lips is None:
            self._lips, self._audio = lips[:0], _padding(audio)
        self._lips = np.concatenate([self._lips, lips])
        self._audio = np.concatenate([self._audio, audio])
        self._compare(len(self._audio) - 2 * MAX_SHIFT)

    def mean(self) -> np.ndarray | None:
        """Mean distances (31,) after the last `add`, from shift −15 to 15 of the audio; None without any window."""
        if self._lips is None:
            return None
        self._audio = np.concatenate([self._audio, _padding(self._audio)])
        self._compare(len(self._lips))
        return self._sums / self._count

    def _compare(self, count: int) -> None:
        """Compare the next `count` lip windows with the audio around them, then drop both."""
        if count < 1:
            return
        around = np.lib.stride_tricks.sliding_window_view(self._audio, 2 * MAX_SHIFT + 1, axis=0)[:count]
        differences = self._lips[:count, :, None] - around + EPSILON
        self._sums += np.linalg.norm(differences, axis=1).sum(0)
        self._count += count
        self._lips, self._audio = self._lips[count:], self._audio[count:]


def _padding(audio: np.ndarray) -> np.ndarray:
    return np.zeros((MAX_SHIFT, audio.shape[1]), audio.dtype)
