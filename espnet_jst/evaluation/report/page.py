"""The page: results, learning curves, and for each decoded set latency and utterances, in one self-contained file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from espnet_jst.errors import DataError
from espnet_jst.evaluation.compare import Column
from espnet_jst.evaluation.files import write_text
from espnet_jst.evaluation.history import read_history
from espnet_jst.evaluation.lane_latency import heard_s
from espnet_jst.evaluation.latency import percentile
from espnet_jst.evaluation.metrics import METRICS, explained, lane_metrics, text_metrics
from espnet_jst.evaluation.report.charts import histogram, line_chart
from espnet_jst.evaluation.report.markup import Html, join, table, tag
from espnet_jst.evaluation.report.runs import DecodedSet, choose, load_sets, measure
from espnet_jst.evaluation.report.utterances import utterance_card, utterance_table
from espnet_jst.evaluation.results import lanes_of
from espnet_jst.evaluation.shown import LATENCY, with_interval

WORST = 4
PICTURES = 60  # on the whole page, about: with many sets each one shows fewer utterances
_CURVES = 9


def write_report(
    exp_dir: Path | str,
    data_dir: Path | str = "dump/raw",
    path: Path | str | None = None,
    *,
    worst: int = WORST,
    audio: bool = False,
) -> Path:
    """Write the report of an experiment as one HTML file that needs nothing from outside.

    Args:
        exp_dir: an experiment, exp/st_<tag>, with train.log and scored decode directories below it.
        path: the file to write, `report.html` in `exp_dir` by default.
        worst: utterances shown for each measure, fewer where there are many sets.

    Raises:
        DataError: nothing was scored below `exp_dir`, or a file there is damaged.
    """
    exp_dir = Path(exp_dir)
    sets = load_sets(exp_dir, Path(data_dir))
    worst = max(1, min(worst, PICTURES // (4 * len(sets))))
    sections = [_results(sets), _learning(exp_dir)]
    sections += [_decoded(item, f"s{number}", worst, audio) for number, item in enumerate(sets)]
    target = Path(path) if path is not None else exp_dir / "report.html"
    write_text(_page(exp_dir.resolve().name, sets, sections), target)
    return target


def _page(name: str, sets: Sequence[DecodedSet], sections: Sequence[Html]) -> Html:
    files = resources.files("espnet_jst.evaluation.report")
    parts = ("palette.css", "style.css", "script.js")
    *styles, script = ((files / part).read_text(encoding="utf-8") for part in parts)
    style = "".join(styles)
    # Only this style and this script may run, and nothing can be fetched, whatever a transcript holds.
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; media-src data:"
    made = sets[0].scores["environment"]
    about = ", ".join(f"{package} {made[package]}" for package in ("espnet_jst", "espnet", "torch"))
    links = [("#results", "Results"), ("#learning", "Learning curves")]
    links += [(f"#s{number}", item.name) for number, item in enumerate(sets)]
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{name}: report"),
        tag("style", Html(style)),
    ]
    navigation = tag("nav", tag("ul", *(tag("li", tag("a", text, href=to)) for to, text in links)), aria_label="parts")
    header = tag("header", tag("h1", name), tag("p", f"Scored {made['date']} with {about}.", class_="note"), navigation)
    body = [header, tag("main", *sections), tag("script", Html(script))]
    page = tag("html", tag("head", *head), tag("body", *body), lang="en")
    return Html(f"<!doctype html>\n{page}\n")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"


def _results(sets: Sequence[DecodedSet]) -> Html:
    tables = []
    for lane in lanes_of(item.scores for item in sets):
        rows, languages, metrics = [], set(), lane_metrics(lane)
        for item in sets:
            entry = item.scores["lanes"].get(lane.name)
            if entry:
                languages.add(entry["language"])
                found = [(entry["quality"].get(metric.name), metric.digits) for metric in metrics]
                scores = [with_interval(score, digits) if score else "-" for score, digits in found]
                rows.append([item.name, *scores, *(column.cell(entry["latency"]) for column in LATENCY)])
        caption = f"{lane.name.capitalize()} ({', '.join(sorted(languages))})"
        titles = [*(metric.name for metric in metrics), *(column.title for column in LATENCY)]
        tables.append(table(caption, ["dataset", *titles], rows))
    note = (
        "In brackets: 95 % intervals. Latency in ms (AP: ratio), counted at the end of the chunk that shows the word."
    )
    meanings = explained([*(metric.name for metric in text_metrics()), *(column.name for column in LATENCY)])
    notes = dict.fromkeys(
        note for item in sets for entry in item.scores["lanes"].values() for note in entry.get("notes", ())
    )
    remarks = [tag("p", f"{text}.", class_="note") for text in notes]
    made = [tag("li", f"{item.name} ({item.folder}): {_signature(item)}") for item in sets]
    how = tag("details", tag("summary", "How the hypotheses were made"), tag("ul", *made))
    columns = tag("ul", *(tag("li", tag("em", key), f": {text}") for key, text in meanings), class_="note")
    words = [tag("p", note, class_="note"), *remarks, columns]
    return tag("section", tag("h2", "Results"), *tables, *words, how, id="results")


def _signature(item: DecodedSet) -> str:
    return ", ".join(f"{key} {value}" for key, value in item.scores["signature"].items()) or "not given"


def _learning(exp_dir: Path) -> Html:
    heading = tag("h2", "Learning curves")
    try:
        history = read_history(exp_dir)
    except DataError as error:
        return tag("section", heading, tag("p", f"None: {error}", class_="note"), id="learning")
    # What validation measures too is the model's; times and the like are the trainer's.
    names = dict.fromkeys(name for epoch in history for name in epoch.get("valid", ()))
    curves = {
        name: {
            part: [(epoch["epoch"], epoch[part][name]) for epoch in history if name in epoch.get(part, ())]
            for part in ("train", "valid")
        }
        for name in sorted(names, key=lambda name: (not name.startswith("loss"), name))
    }
    shown = {name: parts for name, parts in curves.items() if any(y for points in parts.values() for _, y in points)}
    figures = [_figure(name, line_chart(name, parts)) for name, parts in list(shown.items())[:_CURVES]]
    return tag("section", heading, _legend("train", "valid"), tag("div", *figures, class_="charts"), id="learning")


def _decoded(item: DecodedSet, name: str, worst: int, audio: bool) -> Html:
    parts = [tag("p", note, class_="note") for note in item.notes]
    utterances = measure(item)
    if item.decoded:
        columns = [Column(METRICS["LAAL"], texts.lane) for texts in item.lanes]
        found = {c.lane.name: [u.scores[c] / 1000.0 for u in utterances if c in u.scores] for c in columns}
        parts += _latency(item, found)
    chosen = choose(item, utterances, worst)
    if chosen:
        parts += [tag("h3", "Utterances"), utterance_table(item, chosen, name)]
    for number, utterance in enumerate(chosen):
        parts.append(utterance_card(item, utterance, f"{name}-{number}", opened=number == 0, audio=audio))
    return tag("section", tag("h2", item.name), *parts, id=name)


def _latency(item: DecodedSet, laal: dict[str, list[float]]) -> list[Html]:
    waits = {
        lane: [
            max(0.0, heard_s(word, utterance.duration_s) - word.end_s)
            for utterance in item.decoded.values()
            for word in utterance.lane(lane)
        ]
        for lane in laal
    }
    titles = {"LAAL of an utterance (s)": laal, "Wait of a word: shown after the end of its audio (s)": waits}
    figures = [_figure(title, histogram(title, values)) for title, values in titles.items()]
    rows = [
        [f"{title.split(' (')[0].split(':')[0]}, {lane}", *(f"{percentile(found, p):.2f}" for p in (10, 50, 90, 100))]
        for title, values in titles.items()
        for lane, found in values.items()
        if found
    ]
    summary = table("Latency in seconds", ["", "P10", "median", "P90", "largest"], rows)
    return [tag("h3", "Latency"), _legend(*laal), tag("div", *figures, class_="charts"), summary]


def _figure(title: str, picture: Html) -> Html:
    return tag("figure", tag("figcaption", title), picture)


def _legend(*names: str) -> Html:
    keys = (join([tag("span", class_=f"key {name}", aria_hidden="true"), name]) for name in names)
    return tag("ul", *(tag("li", key) for key in keys), class_="legend")
