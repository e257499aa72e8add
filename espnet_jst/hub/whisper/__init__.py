"""The decoder of a Whisper (arXiv:2212.04356), as `transformers` saves it, as the start of an attention head."""
