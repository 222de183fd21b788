"""Showing answers, hits and reports: in a terminal, and as one self-contained HTML page."""
