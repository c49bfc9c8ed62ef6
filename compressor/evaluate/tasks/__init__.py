"""What compressions are judged by: each task has texts and scores what is left of them."""
