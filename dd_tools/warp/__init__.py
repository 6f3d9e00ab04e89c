"""The small model that ships: reference frames warped along predicted flow and blended, in one forward pass.

A network of few channels cannot carry a face through its bottleneck, but it can say where each part of a face moved.
So the renderer predicts for every reference frame a flow and a blend weight, and adds a residual image (after DINet,
Zhang et al. 2023, and first-order motion models). There is no noise and there are no sampling steps.

Latents are an appearance code followed by the landmarks of chin and lips of the frontal face (`latents`), because the
landmark detector has seen more faces than a small encoder will.

- stage 1: `network`, `flow`; `references` chooses the reference frames; `renderer` runs it; `renderer_data`,
  `augmentation`, `renderer_loss` and `renderer_training` train it
- stage 2: `motion_network`; `amplitude` matches the lip motion to the speaker; `motion` runs it; `motion_data`,
  `motion_augmentation`, `motion_loss` and `motion_training` train it
"""
