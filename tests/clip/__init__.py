"""Tests that need torch and open_clip: pip install '.[clip]'. Weights are random but seeded, or trained by the test."""
