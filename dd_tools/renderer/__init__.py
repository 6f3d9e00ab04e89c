"""Stage 1: a diffusion auto-encoder whose renderer inpaints the lower face under a mask from a semantic latent.

Reading order: `config` (sizes), `blocks`, `networks` (U-Net, semantic encoder), `autoencoder` (both together),
`diffusion` (the masked process and DDIM), `objective`, `training`; `encoding` and `rendering` use a trained one.
"""
