"""The version, read by setup.py and written into every pack."""

__version__ = "0.1.0"
