"""The job `prune_shots`: a pool of worked examples to few-shot prompts, by a trained policy."""
