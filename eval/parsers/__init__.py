"""Parsers side by side: each gives what it reads in one shape, so that one table can hold them all.

`names.parsers` makes them by name; docs/extraction_quality.md says what each reads and how it is scored.
"""
