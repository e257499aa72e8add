"""Recordings, streams and arrays as they come in -> samples at the rate of the model."""
