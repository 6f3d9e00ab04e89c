"""Frame rates as exact fractions."""

from fractions import Fraction


def exact_rate(rate: float) -> Fraction:
    """The exact frame rate behind a rounded one: 29.97 is 30000/1001, 25.0 is 25, 12.5 is 25/2.

    rate: frames per second, rounded to two decimals or better.
    """
    whole = round(rate)
    if abs(rate - whole) < 1e-4:
        return Fraction(whole)
    ntsc = Fraction(1000 * round(rate * 1.001), 1001)
    # 0.0051: slightly more than the error of rounding to two decimals.
    return ntsc if abs(rate - ntsc) <= 0.0051 else Fraction(rate).limit_denominator(1001)
