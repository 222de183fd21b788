"""Extraction quality: parsers and vision models against truths, page checks and the PDF itself."""
