"""What the page says of the model: what it does, whose it is, and how good it was measured to be."""

from __future__ import annotations

from espnet_jst.evaluation.measured import read_measured
from espnet_jst.hub.about import About, said_of
from espnet_jst.serving.about import ServedModel
from espnet_jst.serving.wire import Message
from espnet_jst.text.languages import language
from espnet_jst.version import __version__


def description(model: ServedModel, longest_s: float) -> Message:
    """The model as JSON. Most of it anybody may have written: it is text, never mark-up."""
    speech2text = model.speech2text
    config = speech2text.config_file
    about, data_license, results = said_of(config) if config is not None else (About(), "", "")
    lanes = [
        {"name": name, "source": lane.source, "language": language(code).tag if code else None}
        for name, lane in speech2text.lanes.items()
        for code in [model.languages.get(name)]
    ]
    return {
        "name": about.name or model.name,
        "version": __version__,
        "lanes": lanes,
        "tgt_langs": list(speech2text.tgt_langs),
        "tgt_lang": speech2text.tgt_lang,
        "fs": speech2text.fs,
        "chunk_s": speech2text.schedule.chunk_s,
        "session_s": longest_s,
        "cascade": speech2text.translator is not None,
        "license": about.license,
        "dataset": about.dataset,
        "data_license": data_license,
        "bases": [{"name": base.name, "license": base.license} for base in about.chain],
        "measured": [vars(entry) for entry in read_measured(results)],
    }
