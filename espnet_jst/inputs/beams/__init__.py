"""Several microphones as an input: fixed beams, their mel energies, and a network that merges them."""
