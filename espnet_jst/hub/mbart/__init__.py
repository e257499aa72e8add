"""mBART (arXiv:2001.08210, 2008.00401), as `transformers` saves it, as a start of a model on discrete units."""
