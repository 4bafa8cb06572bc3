"""The laboratory of the inversion chapter."""
