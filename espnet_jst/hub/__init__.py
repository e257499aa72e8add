"""Packing models and loading packs: zips, folders, hub tags. Importing this room imports neither torch nor espnet."""
