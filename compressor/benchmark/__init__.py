"""How fast the engine and the job are, against what else one could use, in one run."""
