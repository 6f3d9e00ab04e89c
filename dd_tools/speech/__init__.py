"""Speech features (L, T, D): 50 frames a second from models behind one function, `features.open_speech_model`."""
