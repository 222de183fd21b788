"""Captions of pictures in English and Persian, by several models side by side."""
