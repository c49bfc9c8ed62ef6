"""Pruning of worked examples, learnt from a language model's judgement (arXiv 2312.08901)."""
