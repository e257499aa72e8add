"""Word alignment: the built-in statistical aligner and those of others, Pharaoh files, error rates."""
