"""Images of a library: their vectors, their stored captions, and finding them by words, by a picture, or by both."""
