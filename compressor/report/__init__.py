"""What a person looks at: which words of a record were kept, on a terminal and as a page."""
