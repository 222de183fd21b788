"""Image search: whether the image that a caption is about comes first, and the other way round."""
