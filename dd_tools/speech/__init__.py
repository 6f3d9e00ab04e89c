"""Speech features (L, T, D) at 50 frames per second: models behind one function, `registry.open_speech_model`.

`features` is the interface of speech models; `mel`, `whisper` and `hubert` implement it. `pretrained` loads the latter
two. `extraction` writes the features of a file. `windows` and `loudness` are shared by the models. `silence` computes a
model's features of silence.
"""
