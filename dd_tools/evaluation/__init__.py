"""Compares generated videos with their truth: the paper's protocol, its measures, and reports."""
