"""Discrete units of speech: k-means, the alphabet that units are written in, files of units."""
