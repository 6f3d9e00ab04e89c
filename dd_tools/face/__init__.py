"""The speaker's face: found, tracked, cropped and masked, and pasted back into the frame.

`detectors` find landmarks in a frame. `tracking` follows faces through a video and chooses the speaker. `affine`,
`geometry` and `head_pose` compute crops, masks and head pose. `usability` decides which frames can be dubbed. `cutting`
and `preparation` write clips. `compositing` pastes a painted crop into its frame.
"""
