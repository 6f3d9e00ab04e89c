"""The mark of an altered video: metadata that says its pictures were composed with those of a trained model.

The word is the IPTC's digital source type ``compositeWithTrainedAlgorithmicMedia``. It stands in the container's own
tags, where ffprobe and media libraries look, and for MP4 and MOV in an XMP packet, where the IPTC puts it.
"""

import struct
from pathlib import Path

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
COMMENT = "The speaker's lips in this video were altered by AI (dd_tools)"

# The box of an XMP packet in ISO media files (XMP specification, part 3).
_XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
XMP = f"""<?xpacket begin="\N{BOM}" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}"/>
</rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""


def tags(more: dict[str, str] | None = None) -> dict[str, str]:
    """The mark as container tags, with a user's `more`, which may word the comment anew but not the mark."""
    return {"comment": COMMENT, **(more or {}), "digital_source_type": SOURCE_TYPE}


def add_xmp(path: Path) -> None:
    """Append the mark's XMP packet to a finished MP4 or MOV file; other containers have no place for it."""
    if path.suffix.lower() not in (".mp4", ".m4v", ".mov"):
        return
    content = XMP.encode()
    with open(path, "ab") as stream:
        stream.write(struct.pack(">I4s16s", 24 + len(content), b"uuid", _XMP_BOX) + content)
