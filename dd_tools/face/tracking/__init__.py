"""From frames to face tracks: shots, faces followed through them, and the choice of the speaker to dub."""
