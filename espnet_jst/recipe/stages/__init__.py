"""The stages of a recipe, a file for each; `recipe.py` has their order."""
