"""Video, pictures and sound in and out of files, in streams: memory does not grow with the length."""
