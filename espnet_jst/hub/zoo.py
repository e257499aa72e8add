"""The row of a model in the table of espnet_model_zoo, which maps names to addresses."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from espnet_jst.hub.load import CONFIG_KEY, read_pack
from espnet_jst.untrusted.config_file import read_yaml

COLUMNS = ("corpus", "task", "name", "url", "fs", "lang", "gender", "pytorch", "espnet", "commit", "valid")
HUGGINGFACE_URL = "https://huggingface.co/"  # of every model there: the table's name is the repository


def row(folder: Path, *, name: str, url: str, corpus: str, languages: Sequence[str]) -> str:
    """One line of the table, as CSV without a line end.

    Args:
        name: under which the model is asked for, owner/name.
        url: of the zip, or `HUGGINGFACE_URL`.
        languages: language codes, the spoken one first.
    """
    meta = read_yaml(folder / "meta.yaml")
    config = read_yaml(Path(read_pack(folder)[CONFIG_KEY]))
    values = {
        "corpus": corpus,
        "task": "st",
        "name": name,
        "url": url,
        "fs": (config.get("frontend_conf") or {}).get("fs", ""),
        "lang": "-".join(languages),
        "pytorch": meta.get("torch", ""),
        "espnet": meta.get("espnet", ""),
        "valid": "true",
    }
    line = io.StringIO()
    csv.DictWriter(line, COLUMNS, restval="", lineterminator="").writerow(values)
    return line.getvalue()
