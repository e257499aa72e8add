"""The stages of a recipe in Python: what a run.sh calls."""
