"""The small model that ships: reference frames warped along predicted flow and blended, in one forward pass.

A small network cannot carry the detail of a face through its bottleneck, but it can predict where each part of the face
moves. So reference frames are aligned by their landmarks; for each the renderer predicts a flow and blend weights, and
it adds a residual image (after DINet, Zhang et al. 2023, and first-order motion models). There is no noise and there
are no sampling steps.

A latent is an appearance code followed by the landmarks of chin and lips of the frontal face (`latents`), because the
landmark detector was trained on more faces than a small encoder will be.

- stage 1: `network`, `alignment`, `flow`, `lip_maps`; `references` chooses the reference frames; `renderer` runs it;
  `renderer_data`, `augmentation`, `renderer_loss` and `renderer_training` train it
- stage 2: `motion_network`, `motion_members`; `amplitude` matches the lip motion to the speaker; `motion` runs it;
  `motion_data`, `motion_augmentation`, `motion_loss` and `motion_training` train it
"""

KIND = "warp"  # in the metadata of weights
