"""The laboratory of the motion chapter: heads, data, experiment."""
