"""Random numbers of a study that nobody can work out again without its secret."""

import hmac
import random


class PrivateRandom(random.Random):
    """The numbers of a secret, which cannot be told from those that it has given before.

    `random.Random` itself is a Mersenne Twister, whose later numbers follow from 624 earlier ones, such as names. Here
    the bits are HMAC-SHA-256, with the secret as its key, of the numbers 0, 1, 2, …
    """

    def __init__(self, secret: str):
        super().__init__()
        self._secret, self._number, self._unused = secret.encode(), 0, b""

    def getrandbits(self, k: int) -> int:
        """An integer below 2 to the `k`; integers, choices, orders and bytes are made of it."""
        size = -(-k // 8)
        while len(self._unused) < size:
            self._unused += hmac.digest(self._secret, str(self._number).encode(), "sha256")
            self._number += 1
        content, self._unused = self._unused[:size], self._unused[size:]
        return int.from_bytes(content, "big") >> (8 * size - k)

    def random(self) -> float:
        """A number from 0 on and below 1."""
        return self.getrandbits(53) / 2**53
