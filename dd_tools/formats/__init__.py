"""The files the commands exchange: every reader validates once, at the door, and every writer is atomic."""
