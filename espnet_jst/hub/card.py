"""The README.md of a pack: a model card with the front matter that the hub and ESPnet's tools read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from espnet_jst.hub.about import About
from espnet_jst.inputs.channels import channels_of
from espnet_jst.inputs.spec import reads_text
from espnet_jst.text.lanes import TRANSCRIPT, TRANSLATION
from espnet_jst.text.languages import language
from espnet_jst.version import __version__

_TAG = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
REPOSITORY = "owner/name@revision"  # stands in a card until the pack is uploaded (`publish.name_repository`)
_CITATION = """\
@inproceedings{watanabe2018espnet,
  author = {Shinji Watanabe and Takaaki Hori and Shigeki Karita and Tomoki Hayashi and Jiro Nishitoba and Yuya Unno
            and Nelson {Enrique Yalta Soplin} and Jahn Heymann and Matthew Wiesner and Nanxin Chen
            and Adithya Renduchintala and Tsubasa Ochiai},
  title = {{ESPnet}: End-to-End Speech Processing Toolkit},
  year = {2018},
  booktitle = {Proceedings of Interspeech},
  pages = {2207--2211},
  doi = {10.21437/Interspeech.2018-1456},
}
@software{espnet_jst,
  author = {{The espnet\\_jst authors}},
  title = {espnet\\_jst: joint streaming speech recognition and translation for {ESPnet}},
  version = {%s},
}"""


_USE = [
    "```python",
    "from espnet_jst.inference import Speech2Text  # espnet_jst is installed from its repository",
    f'model = Speech2Text.from_pretrained("{REPOSITORY}")  # or the path of the packed zip',
    "print(model(speech, fs=16000)[0][3].lanes)  # the words of each lane, a time on every word",
    "```",
    "",
]
_TEXT_USE = [
    "```sh",
    f"espnet-jst translate --model {REPOSITORY} lines.txt  # espnet_jst is installed from its repository",
    f"espnet-jst transcribe --model RECOGNIZER --mt_model {REPOSITORY} speech.wav  # a cascade",
    "```",
]


@dataclass(frozen=True, kw_only=True)
class CardInfo:
    """What a reader of a model card wants to know.

    Attributes:
        name: name of the model, the title of the card.
        languages: language codes in any form (`text.languages`), the spoken one first, for example ("en", "de").
        license: licence of the weights, as the hub's identifier; share-alike data hands its licence on.
        command: how the model was made, where the experiment does not say.
        notes: what should be known before use: data, limits.
        data: what it was trained on, in words: utterances, hours; by default the name.
        warnings: what should be known before anything else.
        stored: how the weights are stored, and what that has changed of them; nothing for float32.
    """

    name: str = "espnet_jst model"
    languages: Sequence[str] = ()
    dataset: str = ""
    license: str = ""
    command: str = ""
    notes: str = ""
    data: str = ""
    warnings: Sequence[str] = ()
    stored: str = ""


def _stored(how: str) -> list[str]:
    if not how:
        return []
    return [f"The weights are stored as {how}. The results are those of the weights before that.", ""]


def model_card(
    info: CardInfo,
    *,
    config: Mapping[str, Any],
    results: str,
    fs: int | None,
    data_license: bool = False,
    base: About | None = None,
    made: Sequence[str] = (),
) -> str:
    """Markdown text of the card.

    Args:
        config: the packed configuration; shown without its token lists.
        results: text of RESULTS.md, empty where there is none.
        fs: sampling rate of the model's frontend in Hz; audio of any rate is resampled to it.
    """
    does, tasks = _abilities(config)
    front: dict[str, Any] = {
        "tags": ["espnet", "espnet_jst", "audio", *tasks, "streaming"],
        "library_name": "espnet",
    }
    optional = {
        "language": list(dict.fromkeys(language(code).code for code in info.languages)),
        "datasets": [info.dataset],
        "license": info.license,
    }
    if base is not None and _TAG.fullmatch(base.name):
        optional |= {"base_model": base.name, "base_model_relation": "finetune"}
    how = [*made] or (["```sh", info.command, "```"] if info.command else [])
    front.update({key: value for key, value in optional.items() if value and value != [""]})
    shown = {key: value for key, value in config.items() if key not in ("token_list", "src_token_list")}
    return "\n".join(
        [
            "---",
            yaml.safe_dump(front, sort_keys=False).strip(),
            "---",
            f"# {info.name}",
            "",
            *(part for text in info.warnings for part in (f"> **Warning:** {text}.", "")),
            f"A {does} model of espnet_jst {__version__}"
            + (f" for {' -> '.join(info.languages)}" if info.languages else "")
            + (f", trained on {info.dataset}." if info.dataset else "."),
            *([info.notes.strip(), ""] if info.notes.strip() else [""]),
            "## Use",
            "",
            *(_TEXT_USE if reads_text(config) else [*_USE, _speech(config)]),
            *([f"The model listens at {fs} Hz; other rates are resampled."] if fs else []),
            *_licenses(info.license, data_license, base),
            *(["", "## How it was made", "", *how] if how else []),
            *(["", "## Results", "", *_stored(info.stored), _deepen(results)] if results.strip() else []),
            "",
            "## Citation",
            "",
            "```bibtex",
            _CITATION % __version__,
            "```",
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


def _speech(config: Mapping[str, Any]) -> str:
    """What the model hears."""
    channels = channels_of(config.get("frontend"), config.get("frontend_conf"))
    samples = "samples between -1 and 1, as `soundfile.read` gives them"
    if channels == 1:
        return f"`speech` is one channel of {samples}."
    return (
        f"`speech` has {channels} channels, (samples, {channels}), one of each microphone of the array in "
        f"`frontend_conf` below, in its order: {samples}."
    )


def _abilities(config: Mapping[str, Any]) -> tuple[str, list[str]]:
    """What a model does, in words and as tags of the hub: a model of one lane does one thing."""
    heads = ((config.get("model_conf") or {}).get("heads") or {}).values()
    lanes = {lane for head in heads for lane in head.get("lanes", ())}
    if reads_text(config):
        return "streaming text translation", ["translation"]
    # Units and encoders of others are made of whole utterances.
    how = "" if config.get("input_size") is not None or config.get("frontend") == "pretrained" else "streaming "
    if lanes == {TRANSCRIPT}:
        return f"{how}speech recognition", ["automatic-speech-recognition"]
    if lanes == {TRANSLATION}:
        return f"{how}speech translation", ["speech-translation"]
    return f"joint {how}speech recognition and translation", ["automatic-speech-recognition", "speech-translation"]


def _licenses(license: str, data_license: bool, base: About | None) -> list[str]:
    lines = [f"The weights are licensed under {license}."] if license else []
    if base is not None:
        own = f"is licensed under {base.license}" if base.license else "names no licence"
        lines += [
            f"They come from {base.name}, which {own}"
            + (f" and was trained on {base.dataset}." if base.dataset else ".")
        ]
    lines += ["Licence and source of the training data are in DATA_LICENSE.md."] if data_license else []
    return ["", "## Licence", "", " ".join(lines)] if lines else []


def _deepen(markdown: str) -> str:
    """The same text with every heading two levels lower, to stand under "## Results"."""
    return "\n".join("##" + line if line.startswith("#") else line for line in markdown.strip().split("\n"))
