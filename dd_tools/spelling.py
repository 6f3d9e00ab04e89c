"""How names are spelled in messages and reports: on one line, in Unicode, and without loss.

A file name may contain a line break, control characters, and bytes that are not UTF-8, which Python keeps as lone
surrogates. They are spelled as in a JSON string, so that a name looks the same in messages, reports and histories:
``M\\udcfcller.mp4`` is the name with the byte 0xFC. ``os.fsencode(json.loads(f'"{spelling}"'))`` gives its bytes, if it
has no ``"``, which stays as it is.
"""

import json
import os
import re

# Control characters, the line breaks and direction marks of Unicode, and lone surrogates. So that they differ from an
# ordinary name with a backslash, that is doubled; not on Windows, where it separates folders and names have no control
# characters.
_BACKSLASH = "" if os.sep == "\\" else r"\\"
_SPECIAL = re.compile(rf"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff{_BACKSLASH}]")


def spelled(text: str) -> str:
    """`text` with its special characters spelled as in JSON; ordinary text is unchanged."""
    return _SPECIAL.sub(lambda found: json.dumps(found[0])[1:-1], text)
