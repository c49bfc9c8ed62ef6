"""Fine-tuning of the token classifier: passages with teacher labels in, a model folder out."""
