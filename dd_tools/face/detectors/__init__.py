"""Landmark detectors: `protocol` says what one does, `registry` opens one by name."""
