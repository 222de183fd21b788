"""Question sets made by a language model from the user's own papers, checked, and reviewed by a person.

sources     which passages are asked about
asking      the prompt, and the reply as candidates
checks      what a candidate must pass; the quote in the paper's own characters, with its page
generating  passage after passage, until there are enough questions
files       a question set that grows, and what was dropped from it
reviewing   a person keeps, edits or drops each question
"""
