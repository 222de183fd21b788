"""Answers judged by a language model, through Ragas: the only folder that knows that library."""
