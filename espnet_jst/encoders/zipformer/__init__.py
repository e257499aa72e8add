"""Zipformer: an encoder of stacks at several frame rates (arXiv:2310.11230)."""
