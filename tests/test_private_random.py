"""Random numbers of a secret: HMAC-SHA-256 as OpenSSL computes it, the same of one secret, and even."""

from collections import Counter

from dd_tools.evaluation.study.private_random import PrivateRandom


def test_the_bytes_are_those_of_openssl():
    """printf 0 | openssl dgst -sha256 -hmac secret, and the same of 1."""
    stream = bytes.fromhex(
        "1779fd3337dd353e424d808d9190aff8f09e46a8cbbe6469079b2d7f0e246e37"
        "bd28ee142ca5b46259f6e27fc3a4216f447bd5843c406e63219cff30e73b135b"
    )
    rng = PrivateRandom("secret")
    assert b"".join(rng.getrandbits(8 * size).to_bytes(size, "big") for size in (6, 26, 30, 2)) == stream
    assert PrivateRandom("secret").getrandbits(3) == stream[0] >> 5


def test_one_secret_gives_one_order_and_another_secret_another():
    orders = [PrivateRandom(secret).sample(range(50), 50) for secret in ("a", "a", "b")]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[2]) == list(range(50))


def test_numbers_are_even():
    rng = PrivateRandom("a")
    counts = Counter(rng.randrange(6) for _ in range(6000))
    assert counts.keys() == set(range(6))
    assert sum((count - 1000) ** 2 / 1000 for count in counts.values()) < 20.5  # chi-square, 1 in 1000
    assert 0.48 < sum(rng.random() for _ in range(6000)) / 6000 < 0.52
