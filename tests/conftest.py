"""Markers, and what must be set before anything imports Triton: its kernels then run in the interpreter."""

import os

import pytest

os.environ.setdefault("TRITON_INTERPRET", "1")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """A long test is a slow one: `-m "not slow"` replaces the default, `-m "not long"`."""
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker("slow")
