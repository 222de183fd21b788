"""The conversation: questions and commands, one a line, from a terminal or a pipe."""
