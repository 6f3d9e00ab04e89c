"""Building blocks that the models share: residual and attention blocks, conformer, padding, perceptual distance."""
