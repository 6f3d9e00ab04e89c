"""DiffDub (Liu et al., ICASSP 2024): the paper and nothing but the paper.

Read section 2 of the paper with this folder open:

- 2.1, Eq. 1 and the x_T that all frames share: `diffusion`; the DDIM sampler: `sampling`
- 2.1, Eq. 2: `objective`
- 2.1, inpainting renderer and semantic encoder: `unet`, `semantic_encoder`, joined in `autoencoder`
- 2.1 and 3.1, eye guidance and augmentation of the face image: `renderer_data`, `augmentation`
- 2.2, weighted sum, reference encoder, cross-attention, motion generator: `motion_network`

`renderer` and `motion` run the trained networks on clips and speech, `renderer_training` and `motion_training` train
them, and `released` reads the authors' weights. Tensor names are the authors'. Where the released code differs from the
text of the paper, the code is followed and a comment says so. Three things are not in the paper: samplers other than
DDIM, the prediction of v in place of the noise, with which small networks learn much faster, and `distillation` into
renderers that paint in few steps.
"""

KIND = "diffdub"  # in the metadata of weights
