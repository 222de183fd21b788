"""LoRA adapters: small trained changes to a model, saved beside it and merged into it when it is loaded."""
