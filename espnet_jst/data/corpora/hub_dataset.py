"""A data set that the library `datasets` saved on disk, with its recordings inside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from espnet_jst.data.corpora.tables import Columns, read_rows
from espnet_jst.data.corpora.turns import Reading
from espnet_jst.data.names import file_name
from espnet_jst.errors import ConfigError

FORMS = {b"RIFF": ".wav", b"fLaC": ".flac", b"OggS": ".ogg", b"ID3": ".mp3"}


def read_dataset(
    folder: Path, given: Mapping[str, str | None], *, split: str | None, out: Path, cases: tuple[str, str]
) -> Reading:
    """A data set, whose recordings are written into `out`; one that is there is not written again.

    Raises:
        ConfigError: `datasets` is not installed, the folder is none of its data sets, or a column or split is missing.
    """
    try:
        from datasets import Audio, DatasetDict, load_from_disk
    except ImportError:
        raise ConfigError("data sets of the hub need the library datasets: pip install datasets") from None
    try:
        data = load_from_disk(str(folder))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder} is no data set that datasets saved by save_to_disk ({error})") from error
    if isinstance(data, DatasetDict):
        if split not in data:
            raise ConfigError(f"{folder} has the splits {', '.join(data)}: give --split")
        data = data[split]
    columns = Columns.found(given, data.column_names, folder)
    audio = columns.names["audio"]
    data = data.cast_column(audio, Audio(decode=False))
    return read_rows(_written(data, columns, out), columns, audio_dir=out, cases=cases)


def _written(data: Any, columns: Columns, out: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    out.mkdir(parents=True, exist_ok=True)
    name = str(columns.names["audio"])
    for number, row in enumerate(data):
        sound = row[name] or {}
        content, path = sound.get("bytes"), sound.get("path")
        key = columns.value(row, "id") or (Path(path).stem if path else f"{number:07d}")
        if content is None:
            yield f"row_{number}", {**row, name: path}
            continue
        suffix = next((form for head, form in FORMS.items() if content.startswith(head)), Path(path or "").suffix)
        target = out / f"{file_name(key)}{suffix or '.mp3'}"
        if not target.is_file() or target.stat().st_size != len(content):
            part = target.with_name(f".{target.name}.part")
            part.write_bytes(content)
            part.replace(target)
        yield f"row_{number}", {**row, name: target.name, str(columns.names["id"] or "id"): key}
