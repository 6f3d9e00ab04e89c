"""The label of a video altered by AI: metadata that says its frames contain the output of a trained model.

The value is the IPTC digital source type ``compositeWithTrainedAlgorithmicMedia``. It is written to the container's
tags, which ffprobe and media libraries show, and for MP4 and MOV also to an XMP packet, as the IPTC specifies.
"""

import struct
from pathlib import Path

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
COMMENT = "The speaker's lips in this video were altered by AI (dd_tools)"

# UUID of the box that holds an XMP packet in ISO base media files (XMP specification, part 3).
_XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
# The XMP packet with the label.
XMP = f"""<?xpacket begin="\N{BOM}" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}"/>
</rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""


def label_tags(user_tags: dict[str, str] | None = None) -> dict[str, str]:
    """Container tags with the label. `user_tags` are added; they may replace the comment but not the source type."""
    return {"comment": COMMENT, **(user_tags or {}), "digital_source_type": SOURCE_TYPE}


def append_xmp(path: Path) -> None:
    """Append the XMP packet with the label to a finished MP4 or MOV file. Other containers are left unchanged."""
    if path.suffix.lower() not in (".mp4", ".m4v", ".mov"):
        return
    content = XMP.encode()
    with open(path, "ab") as stream:
        stream.write(struct.pack(">I4s16s", 24 + len(content), b"uuid", _XMP_UUID) + content)
