"""The language model that judges: how likely an answer is to it, and what it answers itself."""
