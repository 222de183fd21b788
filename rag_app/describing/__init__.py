"""Models read the library's figures, tables and formulas: planned in the ledger, done one by one, resumable."""
