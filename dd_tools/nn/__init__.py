"""Building blocks that the models share: U-Net blocks, conformer, weighted sum, padding, windows, LPIPS, devices."""
