"""Conversations at an array of microphones, simulated from single utterances in rooms of images."""
