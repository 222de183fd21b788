"""Tests that need torch, transformers and peft: pip install '.[medical]'. Their models are made here, and tiny."""
