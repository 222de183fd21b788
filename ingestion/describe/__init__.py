"""What a vision model reads in figures, tables and formulas, and how far that agrees with what the PDF says."""
