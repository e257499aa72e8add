"""Searches over a batch of streams: label sequences with the frame and probability of every label."""
