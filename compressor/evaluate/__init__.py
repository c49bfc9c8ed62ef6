"""How good compression is: measures on texts, questions and answers."""
