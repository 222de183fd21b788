"""Vision-language models of transformers, on this machine's processor or GPU."""
