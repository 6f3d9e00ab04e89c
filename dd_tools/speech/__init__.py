"""Speech features (L, T, D) at 50 frames per second: models behind one function, `registry.open_speech_model`.

`features` is the interface of speech models. `mel` and `whisper` ship and need neither torch nor transformers;
`pretrained` loads models of transformers, which are `pretrained_whisper` or `hubert`. `extraction` writes the features
of a file. `windows`, `loudness` and `mel_bands` are shared by the models. `silence` computes a model's features of
silence.
"""
