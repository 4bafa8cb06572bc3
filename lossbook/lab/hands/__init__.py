"""The laboratory of the hands chapter: hands, network, experiment."""
