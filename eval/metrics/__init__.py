"""Metrics that need no model: each is one function, worked by hand and against a reference in the tests."""
