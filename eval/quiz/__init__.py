"""A multiple-choice quiz, closed book and with the library, so that the value of retrieval is a number."""
