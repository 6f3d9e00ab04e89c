"""File names that programs like to trip over, and how messages and reports spell them."""

import os

NAMES = {
    "two  words": "two  words",
    'it\'s "so"': 'it\'s "so"',
    "[dQw4] [bold]": "[dQw4] [bold]",
    ":smile: <b>&amp;": ":smile: <b>&amp;",
    "50%d %s %%": "50%d %s %%",
    "-x": "-x",
    "a:b": "a:b",
    "what?#1": "what?#1",
    "two\nlines\t\x1b[31m": r"two\nlines\t\u001b[31m",
    "\u2028\x85": r"\u2028\u0085",
    "back\\slash": r"back\\slash",
    "🎬 é 日本": "🎬 é 日本",
    "M\udcfcller": r"M\udcfcller",  # Latin-1, from an old disk
}


def is_possible(name: str) -> bool:
    """Whether this system can have a file of that name."""
    try:
        return os.fsencode(name) is not None
    except UnicodeEncodeError:
        return False
