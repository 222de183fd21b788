"""How well a model diagnoses medical images: measures, trivial baselines beside it, image by image. For study only."""
