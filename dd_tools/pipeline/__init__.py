"""What the commands do, as a library: it neither prints nor exits, and knows nothing of command lines."""
