"""CLIP models through open_clip: pictures and texts as vectors in one space, by name, from weights that are there.

embedding is what the rest uses; naming reads names, weights finds their files, towers makes the model, texts encodes
words, int8 is the fast way; adapters.pictures and adapters.decoding feed it. torch is imported at first use, never with
the package.
"""
