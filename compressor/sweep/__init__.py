"""Which rate suits a corpus: a sample of it at many rates."""
