"""Few-shot prompts within a budget of tokens: pruned ones against what else would fill it."""
