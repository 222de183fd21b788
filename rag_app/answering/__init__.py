"""From passages to an answer with checked citations."""
