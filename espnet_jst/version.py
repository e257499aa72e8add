"""The version, read by setup.py and written into every pack; and those of other packages, without importing them."""

from importlib import metadata

__version__ = "0.1.0"


def installed(package: str, absent: str = "unknown") -> str:
    """The version of a package; `absent` where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return absent
