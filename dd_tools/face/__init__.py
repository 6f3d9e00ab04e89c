"""Where the speaker's face is, how it is cut out and masked, and how a painted crop goes back into its picture."""
