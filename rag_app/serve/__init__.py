"""`rag-app serve`: the library on a local web page, for this machine's user alone."""
