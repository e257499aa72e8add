"""Pictures, each idea in its file; PNG or SVG."""
