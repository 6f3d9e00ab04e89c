"""The features of silence that training teaches motion models with."""

import numpy as np
from factories import dummy_whisper

from dd_tools.speech.pretrained import open_pretrained
from dd_tools.speech.registry import open_speech_model
from dd_tools.speech.silence import EDGE, NOISES, PAUSE, PITCHES, VOICE, silence


def test_silence_is_nothing_and_then_ever_louder_noise_alone_and_between_voices():
    features = silence(open_speech_model("mel"))
    each = round(50 * PAUSE) - 2 * EDGE
    assert features.shape == (1, each * len(NOISES) * (1 + len(PITCHES)), 80)
    loudness = features[0].astype(np.float32).mean(1).reshape(len(NOISES), 1 + len(PITCHES), each)
    assert (np.diff(loudness[:, 1:].mean((1, 2))) > -0.01).all()  # log-mel has a floor
    assert loudness[-1, 1:].mean() > loudness[0, 0].mean() == features.min()
    assert loudness[:, 1:].std(2).max() < 0.2  # nothing of the voices
    voice = np.random.default_rng(0).standard_normal(16000).astype(np.float32) * VOICE
    spoken = open_speech_model("mel").features(voice)[0].astype(np.float32).mean()
    assert spoken > loudness[:, 1:].max()


def test_where_loudness_is_known_it_alone_may_be_silence(tmp_path):
    features = silence(open_pretrained(str(dummy_whisper(tmp_path)), name="whisper"))
    alone = np.isnan(features[:, :, :-1]).all((0, 2))
    assert alone.mean() == 0.5 and not np.isnan(features[:, ~alone]).any()
    assert len(features) == 3 and (features[:, :, -1] == features[0, :, -1]).all()
    assert -3 <= features[0, alone, -1].min() < features[0, alone, -1].max() <= -2
