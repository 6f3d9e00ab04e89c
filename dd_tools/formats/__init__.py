"""The files that the commands exchange. Readers validate a file when they open it; writers are atomic.

Clips are HDF5, arrays are NPY, weights are safetensors; none is a pickle. So reading a file runs no code, and any
language can do it.
"""
