"""Discrete units of speech: k-means, the alphabet that units are written in, files of units and where they come from."""
