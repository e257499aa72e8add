"""What a model says about itself, for those that are made from it: name, languages, data, licences, its own base."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from espnet_jst import plain_yaml
from espnet_jst.config import json_text
from espnet_jst.errors import CheckpointError, ConfigError
from espnet_jst.hub.safe_archive import file_sha256
from espnet_jst.untrusted.config_file import pack_root, read_yaml

ABOUT_KEY = "about"  # of meta.yaml
BASE_FILE = "base.json"  # of an experiment: what its training began with
BASE_LICENSE = "base_data_license.md"
CARD, DATA_LICENSE, RESULTS = "README.md", "DATA_LICENSE.md", "RESULTS.md"
_MAX_TEXT = 2**20
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,20}")
_LICENSE = re.compile(r"[\w.+-]{1,60}")


@dataclass(frozen=True, kw_only=True)
class About:
    """What is known of a model; empty where nothing is.

    Attributes:
        name: title, or the tag or file that it was asked for by.
        languages: codes, the spoken one first.
        revision: of a hub's repository.
        sha256: of the file of weights.
    """

    name: str = ""
    languages: Sequence[str] = ()
    dataset: str = ""
    license: str = ""
    revision: str = ""
    sha256: str = ""
    base: About | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for YAML and JSON."""
        values: dict[str, Any] = {**vars(self), "languages": list(self.languages)}
        values["base"] = self.base.as_dict() if self.base is not None else None
        return {key: value for key, value in values.items() if value}

    @classmethod
    def parse(cls, values: object, depth: int = 0) -> About:
        """From plain values that anybody may have written: what is not as it should be is left out."""
        values = values if isinstance(values, Mapping) else {}
        known = {
            field.name: _line(values.get(field.name))
            for field in fields(cls)
            if field.name not in ("languages", "base")
        }
        given = values.get("languages")
        listed = given if isinstance(given, list) else []
        languages = [code for code in listed if isinstance(code, str) and _CODE.fullmatch(code)]
        known["license"] = known["license"] if _LICENSE.fullmatch(known["license"]) else ""
        base = cls.parse(values["base"], depth + 1) if values.get("base") and depth < 8 else None
        return cls(**known, languages=tuple(languages[:10]), base=base)  # type: ignore[arg-type]

    @property
    def chain(self) -> list[About]:
        """The bases, the nearest first."""
        return [] if self.base is None else [self.base, *self.base.chain]


def about_model(given: str, config: str | Path, weights: str | Path) -> tuple[About, str]:
    """What a model that is to be trained further says of itself, and the licence of its data as text.

    Args:
        given: what it was asked for by: a path or a tag.
    """
    root = pack_root(config)
    folder = root or Path(config).parent
    said, license = _read(folder) if root else (About(base=read_base(folder)[0]), "")
    name, _, revision = given.partition("@")
    if Path(given).expanduser().exists():
        name, revision = said.name or Path(given).name, ""
    elif folder.parent.name == "snapshots":
        revision = folder.name
    if said.base is not None:  # an experiment says nothing of its own licence, but may not say less than its base does
        license = "\n\n".join(filter(None, [license, read_base(folder)[1] if not root else ""]))
        said = replace(said, license=said.license or said.base.license)
    return replace(said, name=_line(name), revision=_line(revision), sha256=file_sha256(weights)), license


def about_pretrained(given: str) -> About:
    """What is known of a model of somebody else, as transformers saves it: its name, what its card says, its weights.

    Args:
        given: what it was asked for by: a folder, a file, or a name on the Hugging Face hub.
    """
    folder = Path(given).expanduser()
    if not folder.exists():
        name, _, revision = given.partition("@")
        return About(name=_line(name), revision=_line(revision))
    weights = next((path for path in (folder, folder / "model.safetensors") if path.is_file()), None)
    said = About.parse(_front_matter(_text(folder / CARD)))
    return replace(said, name=_line(folder.name), sha256=file_sha256(weights) if weights else "", languages=())


def languages_of(config: str | Path) -> tuple[str, ...]:
    """Codes of the languages of the pack that holds a configuration, the spoken one first; () where it says none."""
    root = pack_root(config)
    return tuple(_read(root)[0].languages) if root else ()


def said_of(config: str | Path) -> tuple[About, str, str]:
    """What the pack or experiment that holds a configuration says of itself, the licence of its data, its RESULTS.md.

    The three may be empty, and anybody may have written them.
    """
    root = pack_root(config)
    about, license = _read(root) if root else (About(base=read_base(Path(config).parent)[0]), "")
    return about, license, _text((root or Path(config).parent) / RESULTS)


def _read(root: Path) -> tuple[About, str]:
    """Of a pack: from meta.yaml, else from the front matter of its card, which older packs have alone."""
    values = read_yaml(root / "meta.yaml").get(ABOUT_KEY)
    if values is None:
        values = _front_matter(_text(root / CARD))
    return About.parse(values), _text(root / DATA_LICENSE)


def _text(path: Path) -> str:
    """The beginning of a file; nothing where there is none."""
    if not path.is_file():
        return ""
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(_MAX_TEXT)


def _front_matter(card: str) -> dict[str, Any]:
    parts = card.split("---\n", 2)
    try:
        front = plain_yaml.parse(parts[1], CARD) if len(parts) == 3 and not parts[0].strip() else {}
    except ConfigError:  # the card was edited by hand: it says nothing then
        front = {}
    sets = front.get("datasets")
    front["dataset"] = sets[0] if isinstance(sets, list) and sets else ""
    front["languages"] = front.get("language")
    return front


def write_base(folder: Path, about: About, license: str) -> None:
    """Keep in an experiment what its training began with; the base need not be there when it is packed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / BASE_FILE).write_text(json_text(about.as_dict(), indent=1), encoding="utf-8")
    (folder / BASE_LICENSE).write_text(license, encoding="utf-8")


def read_base(folder: Path) -> tuple[About | None, str]:
    """What `write_base` kept: None and nothing where the training began with no other model."""
    if not (folder / BASE_FILE).is_file():
        return None, ""
    text = folder / BASE_LICENSE
    try:
        values = json.loads((folder / BASE_FILE).read_text(encoding="utf-8"))
    except ValueError as error:  # a licence is not lost without a word
        raise CheckpointError(f"{folder / BASE_FILE} is damaged ({error}): run stage 11 again") from error
    return About.parse(values), text.read_text(encoding="utf-8") if text.is_file() else ""


def _line(value: object) -> str:
    """One line of plain text, as names are: it goes into a card."""
    text = " ".join(str(value).split()) if isinstance(value, (str, int, float)) else ""
    return re.sub(r"[`<>\[\]|]", "", "".join(c for c in text if c.isprintable()))[:200]
