"""The laboratory of the landmarks chapter: faces, network, experiment."""
