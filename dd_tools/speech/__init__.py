"""Speech features (L, T, D) at 50 frames per second: models behind one function, `registry.open_speech_model`.

`features` is the interface of speech models; `mel`, `whisper` and `hubert` implement it. `mel` and `whisper` need neither
torch nor transformers; `pretrained` loads models of transformers, `pretrained_whisper` and `hubert`. `extraction` writes
the features of a file. `windows`, `loudness` and `mel_bands` are shared by the models. `silence` computes a model's
features of silence.
"""
