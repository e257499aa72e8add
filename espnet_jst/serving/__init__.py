"""A server of live sessions: one model, streams of any age in a batch, protocols that people's clients speak."""
