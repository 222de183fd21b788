"""The loop in which questions are asked one after another."""
