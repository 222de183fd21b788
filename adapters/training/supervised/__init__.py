"""Fine-tuning a vision-language model on questions about pictures and their answers, by LoRA."""
