"""Text on the terminal: names in files of strangers may hold anything."""


def printable(text: str) -> str:
    """The text with all that would move the cursor, start a line or change colours as escapes such as ``\\n``."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
