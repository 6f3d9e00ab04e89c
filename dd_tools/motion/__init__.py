"""Stage 2: a voice and reference latents in, one latent for every picture out (section 2.2 of the DiffDub paper)."""
