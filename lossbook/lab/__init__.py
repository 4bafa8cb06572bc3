"""The laboratory: what the book adds to the library."""
