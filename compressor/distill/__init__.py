"""Learning from a strong teacher: its compressions, and the labels that follow from them."""
