"""Read and write video, images and audio with ffmpeg, as streams: memory use does not grow with the duration."""
