"""Conversations as training data (arXiv:2412.15415): the words of all speakers as one text, a tag at each change."""
