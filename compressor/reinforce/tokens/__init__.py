"""The distilled compressor itself, fine-tuned by reinforcement: `task: tokens`."""
