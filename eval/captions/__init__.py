"""Captions scored: against references, and by what they say themselves, in English and Persian."""
