"""Training of both stages: one loop (`loop`), with its settings, state, log, processes and data."""
