"""The README.md of a pack: a model card with the front matter that the hub and ESPnet's tools read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from espnet_jst.version import __version__


@dataclass(frozen=True, kw_only=True)
class CardInfo:
    """What a reader of a model card wants to know.

    Attributes:
        name: name of the model, the title of the card.
        languages: language codes, the spoken one first, for example ("en", "de").
        dataset: name of the training data.
        license: licence of the weights, as the hub's identifier; share-alike data hands its licence on.
        command: how the model was made, from the recipe's folder.
        notes: what should be known before use: data, limits.
    """

    name: str = "espnet_jst model"
    languages: Sequence[str] = ()
    dataset: str = ""
    license: str = ""
    command: str = ""
    notes: str = ""


def model_card(info: CardInfo, *, config: Mapping[str, Any], results: str, fs: int | None) -> str:
    """Markdown text of the card.

    Args:
        info: see `CardInfo`.
        config: the packed configuration; shown without its token lists.
        results: text of RESULTS.md, empty where there is none.
        fs: sampling rate of the model's frontend in Hz; audio of any rate is resampled to it.
    """
    front: dict[str, Any] = {
        "tags": ["espnet", "espnet_jst", "audio", "automatic-speech-recognition", "speech-translation", "streaming"],
        "library_name": "espnet",
    }
    optional = {"language": list(info.languages), "datasets": [info.dataset], "license": info.license}
    front.update({key: value for key, value in optional.items() if value and value != [""]})
    shown = {key: value for key, value in config.items() if key not in ("token_list", "src_token_list")}
    return "\n".join(
        [
            "---",
            yaml.safe_dump(front, sort_keys=False).strip(),
            "---",
            f"# {info.name}",
            "",
            f"A joint streaming speech recognition and translation model of espnet_jst {__version__}"
            + (f" for {' -> '.join(info.languages)}" if info.languages else "")
            + (f", trained on {info.dataset}." if info.dataset else "."),
            *([info.notes.strip(), ""] if info.notes.strip() else [""]),
            "## Use",
            "",
            "```python",
            "# pip install espnet_jst",
            "from espnet_jst.inference import Speech2Text",
            "",
            'model = Speech2Text.from_pretrained("owner/name@revision")  # or the path of the packed zip',
            "text, token, token_int, hyp = model(speech, fs=16000)[0]",
            "print(hyp.lanes)  # transcript and translation, a time on every word",
            "```",
            "",
            f"The model listens at {fs} Hz; other rates are resampled." if fs else "",
            *(["", "## How it was trained", "", "```sh", info.command, "```"] if info.command else []),
            *(["", "## Results", "", _deepen(results)] if results.strip() else []),
            "",
            "<details><summary>Configuration</summary>",
            "",
            "```yaml",
            yaml.safe_dump(shown, sort_keys=False, allow_unicode=True).strip(),
            "```",
            "</details>",
            "",
        ]
    )


def _deepen(markdown: str) -> str:
    """The same text with every heading two levels lower, to stand under "## Results"."""
    return "\n".join("##" + line if line.startswith("#") else line for line in markdown.strip().splitlines())
