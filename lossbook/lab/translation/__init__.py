"""The laboratory of the translation chapter."""
