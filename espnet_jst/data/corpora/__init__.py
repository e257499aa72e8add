"""Readers of corpora that the user has to get: each gives turns of speakers, `turns` writes data directories."""
