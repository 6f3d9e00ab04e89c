"""A minimal Matroska stream of uncompressed RGB frames: how frames and their times reach ffmpeg through a pipe.

The format is RFC 9559 (Matroska) on top of RFC 8794 (EBML). An element is an identifier, a length and the content.
"""

import struct

NANOSECONDS = 10**9

_UNKNOWN_LENGTH = b"\x01" + 7 * b"\xff"  # of the segment, which ends with the stream


def header(width: int, height: int, frame_seconds: float, *, high_bit_depth: bool = False) -> bytes:
    """The bytes before the first frame: one video track, with times in nanoseconds.

    width, height: pixels.
    frame_seconds: duration of the last frame; every other frame lasts until the next.
    high_bit_depth: frames are rgb48le instead of rgb24.
    """
    bits_per_pixel = 48 if high_bit_depth else 24
    video = (
        _number(0xB0, width)  # PixelWidth
        + _number(0xBA, height)  # PixelHeight
        + _element(0x2EB524, b"RGB" + bytes([bits_per_pixel]))  # UncompressedFourCC, as ffmpeg names these formats
    )
    track = (
        _number(0xD7, 1)  # TrackNumber
        + _number(0x73C5, 1)  # TrackUID
        + _number(0x83, 1)  # TrackType: video
        + _number(0x9C, 0)  # FlagLacing
        + _number(0x23E383, round(frame_seconds * NANOSECONDS))  # DefaultDuration
        + _element(0x86, b"V_UNCOMPRESSED")  # CodecID
        + _element(0xE0, video)
    )
    return (
        _element(0x1A45DFA3, _element(0x4282, b"matroska"))  # EBML header, DocType
        + _identifier(0x18538067)  # Segment
        + _UNKNOWN_LENGTH
        + _element(0x1549A966, _number(0x2AD7B1, 1))  # Info, TimestampScale: one nanosecond
        + _element(0x1654AE6B, _element(0xAE, track))  # Tracks, TrackEntry
    )


def frame_header(pts: float, size: int) -> bytes:
    """The bytes before a frame: a cluster with one block. pts: seconds. size: bytes of the frame."""
    timestamp = _number(0xE7, round(pts * NANOSECONDS))
    block = b"\x81" + struct.pack(">hB", 0, 0x80)  # track 1, time relative to the cluster, key frame
    block_start = _identifier(0xA3) + _length(len(block) + size) + block  # SimpleBlock
    return _identifier(0x1F43B675) + _length(len(timestamp) + len(block_start) + size) + timestamp + block_start


def _element(identifier: int, content: bytes) -> bytes:
    return _identifier(identifier) + _length(len(content)) + content


def _number(identifier: int, value: int) -> bytes:
    return _element(identifier, value.to_bytes(8, "big"))


def _identifier(identifier: int) -> bytes:
    return identifier.to_bytes((identifier.bit_length() + 7) // 8, "big")


def _length(length: int) -> bytes:
    return struct.pack(">Q", length | 1 << 56)  # in the eight-byte form
