"""The files that the commands exchange. Readers validate a file when they open it; writers are atomic."""
