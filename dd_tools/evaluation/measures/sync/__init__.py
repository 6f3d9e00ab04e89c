"""Lip-sync error (LSE) with SyncNet: the network, its two inputs, and the measure."""
