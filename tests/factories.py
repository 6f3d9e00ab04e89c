"""Small made-up inputs for tests, and the way to real clips where a folder of them lies beside the checkout."""

import struct
import subprocess
import warnings
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import ffmpeg
import numpy as np
import pytest
import skimage
import soundfile

from dd_tools.face.affine import invert, square_map, transform
from dd_tools.face.geometry import FACE_CENTRE, FACE_SIDE, face_image, steady_mask
from dd_tools.formats.clip import ClipWriter, Source, Status
from dd_tools.media.codecs import Encoding
from dd_tools.media.encode import VideoWriter
from dd_tools.media.ffmpeg import ffmpeg_path
from dd_tools.reporting import Silent

SHARED = Path(__file__).resolve().parents[2] / "shared"


def shared_file(name: str) -> Path:
    """A file of the folder `shared` beside the checkout; skips the test where it is not there."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"needs the real clips: no shared/{name} beside the checkout")
    return path


def dummy_pose(size: int = 96) -> np.ndarray:
    """The map (2,3) from template coordinates to the pixels of a `size` px face crop."""
    return invert(square_map(np.array(FACE_CENTRE), FACE_SIDE, np.eye(2), size))


def dummy_face_landmarks(pose: np.ndarray | None = None, opening: float = 0.0) -> np.ndarray:
    """A frontal face's landmarks, float32 (68,2) in pixels, iBUG order; by default in a 96 px face crop.

    `opening` lowers jaw and lower lip, in units of the interocular distance.
    """
    angle = np.linspace(np.pi, 0, 17)
    jaw = np.stack([1.1 * np.cos(angle), 0.1 + (1.75 + opening) * np.sin(angle)], -1)
    brow = np.stack([np.linspace(-0.9, -0.33, 5), [-0.25, -0.34, -0.39, -0.38, -0.3]], -1)
    bridge = [(0, -0.024), (0, 0.202), (0, 0.364), (0, 0.501)]
    nostrils = [(-0.2, 0.6), (-0.1, 0.63), (0, 0.65), (0.1, 0.63), (0.2, 0.6)]
    eye = np.array([(-0.7, 0.003), (-0.56, -0.08), (-0.42, -0.08), (-0.278, 0.008), (-0.42, 0.07), (-0.56, 0.07)])
    left_brow, left_eye = brow[::-1] * (-1, 1), eye[[3, 2, 1, 0, 5, 4]] * (-1, 1)
    lips = _ring(12, 0.39, 0.12, opening), _ring(8, 0.3, 0.01, opening)
    points = np.concatenate([jaw, brow, left_brow, bridge, nostrils, eye, left_eye, *lips])
    return transform(points, dummy_pose() if pose is None else pose).astype(np.float32)


def _ring(count: int, half_width: float, half_height: float, opening: float) -> np.ndarray:
    angle = np.pi + np.arange(count) * 2 * np.pi / count
    y = half_height * np.sin(angle)
    return np.stack([half_width * np.cos(angle), 1.12 + y + opening * (y > 1e-9)], -1)


def dummy_face(landmarks: np.ndarray, size: int) -> np.ndarray:
    """A flat drawing uint8 (S,S,3) of the face at `landmarks`, on a gradient."""
    ramp = np.linspace(60, 160, size).astype(np.uint8)
    picture = np.ascontiguousarray(
        np.stack([np.tile(ramp, (size, 1)), np.tile(ramp[:, None], (1, size))] * 2, -1)[..., :3]
    )
    parts = [(slice(0, 27), (205, 160, 135)), (slice(36, 42), (250, 250, 250)), (slice(42, 48), (250, 250, 250))]
    parts += [(slice(27, 36), (180, 130, 110)), (slice(48, 60), (170, 60, 70)), (slice(60, 68), (40, 10, 10))]
    for part, colour in parts:
        cv2.fillConvexPoly(picture, cv2.convexHull(np.rint(landmarks[part]).astype(np.int32)), colour)
    return picture


def dummy_clip(
    path: Path,
    frames: int = 6,
    size: int = 32,
    *,
    unusable: Iterable[int] = (),
    cuts: Iterable[int] = (),
    fps: float = 25.0,
    **changes: object,
) -> Path:
    """Write a valid clip of a drawn, talking face: `size` px crops, cut one to one out of pictures twice as large.

    `cuts` are the frames with which a new shot begins. `changes` are to the settings it claims to be made with.
    """
    pose, unusable = dummy_pose(size), set(unusable)
    source = Source("dummy.mp4", "0" * 64, 2 * size, 2 * size, fps)
    settings = {"size": size, "crop": "face", "mask": "steady", "fps": None} | changes
    with ClipWriter(
        path, size=size, face_size=size, source=source, detector={"name": "dummy", "version": "1"}, settings=settings,
        history=[],
    ) as clip:  # fmt: skip
        for index in range(frames):
            landmarks = dummy_face_landmarks(pose, opening=0.15 * (1 + np.sin(index)))
            frame = dummy_face(landmarks, size)
            is_usable = np.uint8(index not in unusable)
            clip.append(
                frames=frame,
                landmarks=landmarks * is_usable,
                mask=steady_mask(pose, size) * is_usable,
                face=face_image(frame, landmarks, size) * is_usable,
                crop_to_source=np.array([[1.0, 0, size / 2], [0, 1.0, size / 2]]),
                pts=index / (fps or 1),
                status=Status.OK if is_usable else Status.NO_FACE,
                shot=sum(index >= cut for cut in cuts),
            )
    return path


def dummy_video(
    path: Path, seconds: float = 1.0, rate: str = "25", size: tuple[int, int] = (64, 48), audio: bool = True
) -> Path:
    """A moving test card of `size` (width, height) at `rate` a second ("30000/1001"), with a tone at 44.1 kHz."""
    picture = ffmpeg.input(f"testsrc2=size={size[0]}x{size[1]}:rate={rate}:duration={seconds}", format="lavfi")
    tone = [ffmpeg.input(f"sine=frequency=440:duration={seconds}", format="lavfi")] if audio else []
    return dummy_media(path, picture, *tone, pix_fmt="yuv420p")


def dummy_media(path: Path, *streams: ffmpeg.nodes.Stream, **options: object) -> Path:
    """Any file ffmpeg can make of `streams` with ffmpeg-python's output `options`."""
    command = ffmpeg.output(*streams, f"file:{path}", **options).compile(cmd=[ffmpeg_path(), "-v", "error", "-y"])
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def raw_video(
    path: Path, frames: np.ndarray, pixel_format: str, size: tuple[int, int], *, rate: int = 25, tags: str = "",
    **options: object,
) -> Path:  # fmt: skip
    """A lossless video of `frames` (T, bytes of one frame's planes); tags: as ffmpeg's filter setparams takes them."""
    source = ffmpeg.input("pipe:", format="rawvideo", pixel_format=pixel_format, s=f"{size[0]}x{size[1]}", r=rate)
    if tags:  # as output options newer ffmpegs take them for a wish, and convert
        options["vf"] = f"setparams={tags}"
    stream = ffmpeg.output(source, str(path), **{"c:v": "libx264", "qp": 0, "preset": "ultrafast"}, **options)
    command = stream.compile(cmd=[ffmpeg_path(), "-v", "error", "-y"])
    subprocess.run(command, input=frames.tobytes(), check=True)
    return path


class DummyDetector:
    """A `dd_tools.face.detectors.protocol.Detector` that reads where `dummy_marked_face` says its face is."""

    name, version = "dummy", "1"

    def detect(self, image: np.ndarray, *, thorough: bool = True) -> np.ndarray:
        right, down, opening = image[0, 0].astype(int)
        faces = [dummy_face_landmarks(opening=opening / 100) + np.subtract((right, down), 100)] if opening else []
        return np.array(faces, np.float32).reshape(-1, 68, 2)

    def follow(self, image: np.ndarray, landmarks: np.ndarray) -> np.ndarray | None:
        return next(iter(self.detect(image)), None)


def dummy_face_at(x: float, y: float = 100, scale: float = 1.0, opening: float = 0.0) -> np.ndarray:
    """Landmarks of a frontal face, some 80 pixels high times `scale`, whose middle is at x, y."""
    landmarks = dummy_face_landmarks(opening=opening) * np.float32(scale)
    return landmarks - landmarks.mean(0) + np.float32([x, y])


class FirstFrames(Silent):
    """A reporter that ends every loop after `count` steps."""

    def __init__(self, count: int):
        self.count = count

    def progress(self, steps: Iterable, total: int | None, label: str) -> Iterable:
        return islice(steps, self.count)


class DummyPlay:
    """A detector and its video of 400 × 200 pixels in one: the faces of each frame, and optionally its shot's number.

    `follow` goes astray to whichever face is nearest. Every pixel tells its frame and its place, so that the faces are
    also found in a part of a picture.
    """

    name, version = "play", "1"

    def __init__(self, *frames: list[np.ndarray], shots: Iterable[int] = ()):
        self.frames, self.shots = frames, list(shots) or [0] * len(frames)
        self.thorough: list[bool] = []

    def scenes(self) -> Iterable[tuple[np.ndarray, int]]:
        rows, columns = np.indices((200, 400), np.uint16)
        for index, shot in enumerate(self.shots):
            yield np.stack([np.full_like(rows, index), columns, rows], -1), shot

    def detect(self, image: np.ndarray, *, thorough: bool = True) -> np.ndarray:
        self.thorough.append(thorough)
        index, left, top = image[0, 0].astype(int)
        places = [face - np.float32([left, top]) for face in self.frames[index]]
        height, width = image.shape[:2]
        seen = [face for face in places if (face >= 0).all() and (face < (width, height)).all()]
        return np.array(seen, np.float32).reshape(-1, 68, 2)

    def follow(self, image: np.ndarray, landmarks: np.ndarray) -> np.ndarray | None:
        faces = self.frames[image[0, 0, 0]]
        return min(faces, key=lambda face: np.abs(face.mean(0) - landmarks.mean(0)).sum(), default=None)


def dummy_marked_face(opening: float = 0.1, right: int = 0, down: int = 0, size: int = 96) -> np.ndarray:
    """`dummy_face` moved by whole pixels; the first pixel tells `DummyDetector` all. An opening of 0 hides the face."""
    picture = dummy_face(dummy_face_landmarks(opening=opening) + np.float32([right, down]), size)
    picture[0, 0] = (right + 100, down + 100, round(100 * opening))
    return picture


def dummy_talk(path: Path) -> Path:
    """A video of 24 frames of 160 × 160 pixels, the head moving a pixel a frame, without a face in frames 8 to 12."""
    openings = [0 if 8 <= t <= 12 else 0.1 + 0.02 * (t % 5) for t in range(24)]
    pictures = [dummy_marked_face(opening, right=20 + t, down=20, size=160) for t, opening in enumerate(openings)]
    return dummy_lossless_video(path, pictures)


def dummy_turned(path: Path, degrees: int) -> Path:
    """Write a display matrix into the track header of the MP4 at `path`, as phones do."""
    cosine, sine = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    one = 1 << 16
    matrix = struct.pack(">9i", cosine * one, sine * one, 0, -sine * one, cosine * one, 0, 0, 0, 1 << 30)
    data = path.read_bytes()
    start = data.index(b"tkhd") + 4 + 40
    assert data[start : start + 36] == struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, 1 << 30)
    path.write_bytes(data[:start] + matrix + data[start + 36 :])
    return path


def dummy_lossless_video(path: Path, pictures: Iterable[np.ndarray], fps: float = 25.0) -> Path:
    """A video (MP4) that decodes to exactly these pictures."""
    pictures = list(pictures)
    height, width = pictures[0].shape[:2]
    with VideoWriter(path, width, height, fps, Encoding(lossless=True)) as video:
        for index, picture in enumerate(pictures):
            video.write(picture, index / fps)
    return path


def dummy_trunk(path: Path):
    """An AlexNet trunk of noise, named as torchvision names it; returns the LPIPS network of its package around it."""
    import lpips
    import torch

    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    layers = {f"features.{key.split('.', 1)[1]}": value for key, value in network.net.state_dict().items()}
    torch.save(layers, path)
    return network


def dummy_renderer(path: Path, **changes: object) -> Path:
    """Write untrained weights of the tiny diffdub renderer (32 px, z of 16), with `changes` to its configuration."""
    from dd_tools.diffdub.renderer_training import PRESETS, new_network

    return _dummy_weights(path, "renderer", "diffdub", PRESETS["tiny"], new_network, changes)


def dummy_warp_renderer(path: Path, **changes: object) -> Path:
    """The same of the tiny warp renderer (32 px, z of 66, two references)."""
    from dd_tools.warp.renderer_training import PRESETS, new_network

    return _dummy_weights(path, "renderer", "warp", PRESETS["tiny-warp"], new_network, changes)


def dummy_motion_model(path: Path, **changes: object) -> Path:
    """Write untrained weights of the tiny diffdub motion model (mel, z of 16), with `changes` to its configuration."""
    from dd_tools.diffdub.motion_training import PRESETS, new_network

    return _dummy_weights(path, "motion model", "diffdub", PRESETS["tiny"], new_network, changes)


def dummy_warp_motion_model(path: Path, **changes: object) -> Path:
    """The same of the tiny warp motion model (mel, z of 66)."""
    from dd_tools.warp.motion_training import PRESETS, new_network

    return _dummy_weights(path, "motion model", "warp", PRESETS["tiny-warp"], new_network, changes)


def _dummy_weights(path: Path, stage: str, kind: str, preset, build, changes: dict[str, object]) -> Path:
    import torch

    from dd_tools.formats.checkpoint import Checkpoint, write_checkpoint

    config = replace(preset.config, **changes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        write_checkpoint(path, Checkpoint(stage, kind, config.to_json(), build(config).state_dict()))
    return path


def dummy_voice(path: Path, seconds: float = 1.0, loudness: float = 0.1) -> Path:
    """A sound file (16 kHz mono) of noise that swells and fades four times a second; of `loudness` 0 it is silence."""
    count = round(seconds * 16000)
    envelope = 1 + np.sin(2 * np.pi * 4 * np.arange(count) / 16000)
    soundfile.write(path, loudness * envelope * np.random.default_rng(0).uniform(-0.5, 0.5, count), 16000)
    return path


def dummy_portrait(path: Path) -> Path:
    """A picture file with a real face that detectors find: the astronaut scikit-image carries, 240 px."""
    cv2.imwrite(str(path), np.ascontiguousarray(skimage.data.astronaut()[:240, 110:350, ::-1]))
    return path


def dummy_speech(pictures: int, layers: int = 1, width: int = 80, seed: int = 0) -> np.ndarray:
    """Speech features float16 (layers, 2 pictures, width) of noise."""
    noise = np.random.default_rng(seed).standard_normal((layers, 2 * pictures, width))
    return noise.astype(np.float16)


def dummy_latents(count: int, z_size: int = 16, seed: int = 0) -> np.ndarray:
    """Latents float32 (count, z_size) of noise, each dimension with its own mean and scale."""
    random = np.random.default_rng(seed)
    mean, scale = random.standard_normal(z_size), random.uniform(0.5, 2, z_size)
    return (mean + scale * random.standard_normal((count, z_size))).astype(np.float32)


def dummy_lips(count: int, z_size: int) -> np.ndarray:
    """The same noise, but that it ends in points of which chin and corners of the mouth are a frontal face's."""
    latents, points = dummy_latents(count, z_size), [*range(6, 11), *range(48, 68)]
    for landmark, place in ((8, (0, 1.9)), (48, (-0.4, 1.1)), (54, (0.4, 1.1))):
        at = z_size - 50 + 2 * points.index(landmark)
        latents[:, at : at + 2] = place
    return latents


def dummy_pairs(folder: Path) -> None:
    """Folders ``latents`` and ``speech`` of the clips a, b and c, of the tiny preset's sizes."""
    for seed, name in enumerate("abc"):
        for kind, make in (("latents", dummy_latents), ("speech", dummy_speech)):
            (folder / kind).mkdir(exist_ok=True)
            np.save(folder / kind / f"{name}.npy", make(30 + seed, seed=seed))


def dummy_hubert(folder: Path, layers: int = 2, **settings: object) -> Path:
    """A tiny random HuBERT of the large one's design, saved to `folder` as the hub's files would be."""
    import torch
    import transformers

    config = transformers.HubertConfig(
        hidden_size=32, num_hidden_layers=layers, num_attention_heads=2, intermediate_size=48, conv_dim=(16,) * 7,
        conv_bias=True, feat_extract_norm="layer", do_stable_layer_norm=True, num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2, **settings,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.HubertModel(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True).save_pretrained(folder)
    return folder


def dummy_whisper(folder: Path, layers: int = 2, **settings: object) -> Path:
    """A tiny random Whisper, encoder and decoder, saved to `folder` as the hub's files would be."""
    import torch
    import transformers

    config = transformers.WhisperConfig(
        d_model=32, encoder_layers=layers, encoder_attention_heads=2, encoder_ffn_dim=48, decoder_layers=1,
        decoder_attention_heads=2, decoder_ffn_dim=48, vocab_size=8, init_std=0.2, suppress_tokens=None,
        begin_suppress_tokens=None, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
        **settings,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.WhisperModel(config).save_pretrained(folder)
    transformers.WhisperFeatureExtractor().save_pretrained(folder)
    return folder
