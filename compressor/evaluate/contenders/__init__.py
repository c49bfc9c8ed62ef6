"""What is compared: each contender cuts the same texts to the same budget."""
