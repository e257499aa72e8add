"""Encoders: one streaming interface, offline is one infinite chunk."""
