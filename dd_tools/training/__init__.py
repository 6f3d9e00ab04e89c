"""The one training loop both stages use: `loop` reads top to bottom; settings, state, log and processes beside it."""
