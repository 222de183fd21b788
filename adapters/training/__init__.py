"""Fine-tuning models on one's own data: small adapters, split by paper, reported before and after."""
