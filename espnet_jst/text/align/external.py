"""Word aligners of others: eflomal, fast_align and awesome-align as programs, simalign as a library.

None is a requirement: each is looked for when it is chosen, and only then. All get the words as the built-in aligner
compares them, and only pairs with words on both sides.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from espnet_jst.errors import ConfigError, DataError
from espnet_jst.text.align.pharaoh import parse_pharaoh
from espnet_jst.text.lines import split_lines
from espnet_jst.text.links import Link

Words = Sequence[Sequence[str]]
Directed = tuple[list[set[Link]], list[set[Link]]]

SIMALIGN_MODEL = "bert-base-multilingual-cased"
_LAYER = 8  # of a multilingual BERT, the layer that both papers take
_GET = {
    "awesome-align": "pip install awesome-align",
    "eflomal": "pip install eflomal (GPL-3.0; needs a C compiler)",
    "fast_align": "build https://github.com/clab/fast_align and add the folder of the program to PATH",
    "simalign": "pip install 'espnet_jst[neural]'",
}
_PROGRAMS = {"awesome-align": "awesome-align", "eflomal": "eflomal-align", "fast_align": "fast_align"}
# simalign's methods under the names of ours. Its "fwd" gives each source piece one target piece: our reverse.
_METHODS = {
    "grow-diag-final-and": ("i", "itermax"),
    "intersect": ("a", "inter"),
    "forward": ("r", "rev"),
    "reverse": ("f", "fwd"),
}


@dataclass(frozen=True, kw_only=True)
class Job:
    """What an aligner is asked to do.

    Attributes:
        sources: words of each source sentence.
        targets: words of each target sentence.
        names: of the pairs, for messages.
        symmetrization: what will be made of the two directions.
        model: folder or name of the pre-trained model of a neural aligner; empty for its default.
        device: "cpu" or "cuda", for a neural aligner.
    """

    sources: Words
    targets: Words
    names: Sequence[str]
    symmetrization: str = "grow-diag-final-and"
    model: str = ""
    device: str = "cpu"


def check_model(aligner: str, model: str) -> None:
    """Refuse a model for an aligner that reads none, and a model that is missing or in another form than is read.

    Raises:
        ConfigError: says what to give.
    """
    if model and aligner not in ("simalign", "awesome-align"):
        raise ConfigError(f"aligner {aligner!r} has no pre-trained model: leave aligner_model {model!r} out")
    if aligner != "awesome-align":
        return
    if not model:
        raise ConfigError("aligner 'awesome-align' needs a model: give the folder of a BERT as aligner_model")
    if Path(model).is_dir() and not (Path(model) / "pytorch_model.bin").is_file():
        raise ConfigError(
            f"aligner_model {model} has no pytorch_model.bin, the only form that awesome-align reads: save the "
            "model's state_dict there with torch.save"
        )


def external_links(aligner: str, job: Job) -> Directed:
    """Align with another's aligner.

    Args:
        aligner: one of `ALIGNERS` but the built-in one.
        job: the sentence pairs; a pair with an empty side gets no links.

    Returns:
        Forward links (each target word has at most one source word) and reverse links (each source word has at most
        one target word) of each pair. An aligner that joins the directions itself gives the same links twice.

    Raises:
        ConfigError: the aligner is not installed, or its model cannot be used; says how to get it.
        DataError: it failed, or answered with other lines or links than the pairs have; names the utterance.
    """
    full = [k for k, words in enumerate(job.sources) if words and job.targets[k]]
    forward: list[set[Link]] = [set() for _ in job.sources]
    reverse: list[set[Link]] = [set() for _ in job.sources]
    if full:
        sources, targets = [job.sources[k] for k in full], [job.targets[k] for k in full]
        some = replace(job, sources=sources, targets=targets, names=[job.names[k] for k in full])
        for k, *links in zip(full, *_ALIGN[aligner](some), strict=True):
            forward[k], reverse[k] = links
    return forward, reverse


def _eflomal(job: Job) -> Directed:
    with TemporaryDirectory() as name:
        source, target, forward, reverse = (Path(name) / file for file in ("source", "target", "forward", "reverse"))
        source.write_text(_lines(job.sources), encoding="utf-8")
        target.write_text(_lines(job.targets), encoding="utf-8")
        _run("eflomal", "-s", source, "-t", target, "-f", forward, "-r", reverse)
        return _parse("eflomal", _read("eflomal", forward), job), _parse("eflomal", _read("eflomal", reverse), job)


def _fast_align(job: Job) -> Directed:
    with TemporaryDirectory() as name:
        pairs = _write_pairs(job, Path(name))
        # -d -o -v: what its authors recommend. -r swaps the direction, and writes source-target all the same.
        answers = (_run("fast_align", "-i", pairs, "-d", "-o", "-v", *more) for more in ((), ("-r",)))
        forward, reverse = (_parse("fast_align", answer, job) for answer in answers)
        return forward, reverse


def _awesome_align(job: Job) -> Directed:
    if job.symmetrization in ("forward", "reverse"):
        raise ConfigError(
            f"aligner 'awesome-align' joins the directions itself, so there is no {job.symmetrization!r}: leave the "
            "symmetrization out"
        )
    with TemporaryDirectory() as name:
        pairs, out = _write_pairs(job, Path(name)), Path(name) / "links"
        where = ["--no_cuda"] if job.device == "cpu" else []
        files: list[str | Path] = ["--data_file", pairs, "--output_file", out, "--model_name_or_path", job.model]
        _run("awesome-align", *files, "--align_layer", str(_LAYER), "--num_workers", "0", *where)
        links = _parse("awesome-align", _read("awesome-align", out), job)
    return links, links


def _simalign(job: Job) -> Directed:
    try:
        from simalign import SentenceAligner
    except ImportError as error:
        raise ConfigError(f"aligner 'simalign' cannot be imported ({error}): {_GET['simalign']}") from error
    model = job.model or SIMALIGN_MODEL
    letter, method = _METHODS[job.symmetrization]
    try:
        aligner = SentenceAligner(
            model=model, token_type="bpe", matching_methods=letter, layer=_LAYER, device=job.device
        )
    except (OSError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise ConfigError(f"aligner_model {model} cannot be loaded ({first}): give a folder or a hub name") from error
    found: list[set[Link]] = []
    for source, target, name in zip(job.sources, job.targets, job.names, strict=True):
        try:
            links = aligner.get_word_aligns(list(source), list(target))[method]
        except (ValueError, IndexError, RuntimeError) as error:
            raise DataError(
                f"{name}: simalign cannot align this pair ({error}); check its text and the model"
            ) from error
        found.append({(int(i), int(j)) for i, j in links})
    _check_range("simalign", found, job)
    return found, found


_ALIGN: dict[str, Callable[[Job], Directed]] = {
    "simalign": _simalign,
    "awesome-align": _awesome_align,
    "eflomal": _eflomal,
    "fast_align": _fast_align,
}
ALIGNERS = ("builtin", *_ALIGN)


def _lines(sentences: Words) -> str:
    # The separator of the two sides cannot be a word of either.
    return "".join(" ".join("|" if word == "|||" else word for word in words) + "\n" for words in sentences)


def _write_pairs(job: Job, folder: Path) -> Path:
    path = folder / "pairs"
    sides = zip(split_lines(_lines(job.sources)), split_lines(_lines(job.targets)), strict=True)
    path.write_text("".join(f"{source} ||| {target}\n" for source, target in sides), encoding="utf-8")
    return path


def _run(aligner: str, *arguments: str | Path) -> str:
    """Run a program that is on PATH or beside this Python; returns what it printed."""
    program = _PROGRAMS[aligner]
    found = shutil.which(program) or shutil.which(program, path=os.path.dirname(sys.executable))
    if found is None:
        raise ConfigError(f"aligner {aligner!r}: there is no program {program} on PATH; {_GET[aligner]}")
    command = [found, *(str(argument) for argument in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False)
    if done.returncode:
        said = " / ".join(done.stderr.strip().splitlines()[-2:]) or "no message"
        raise DataError(
            f"{program} ended with status {done.returncode}: {said}; correct that, or use the aligner builtin"
        )
    return done.stdout


def _read(aligner: str, path: Path) -> str:
    if not path.is_file():
        raise DataError(f"{aligner} wrote no links, and no error either: try its program by hand on a few lines")
    return path.read_text(encoding="utf-8")


def _parse(aligner: str, text: str, job: Job) -> list[set[Link]]:
    lines = split_lines(text)
    if len(lines) != len(job.names):
        where = f"{job.names[len(lines)]} has none" if len(lines) < len(job.names) else f"{job.names[-1]} is the last"
        raise DataError(
            f"{aligner} answered with {len(lines)} lines of links for {len(job.names)} pairs ({where}): try its "
            "program by hand on the lines around this one"
        )
    found: list[set[Link]] = []
    for line, name in zip(lines, job.names, strict=True):
        try:
            found.append(parse_pharaoh(line))
        except DataError as error:
            raise DataError(f"{name}: {aligner}: {error}") from error
    _check_range(aligner, found, job)
    return found


def _check_range(aligner: str, found: Sequence[set[Link]], job: Job) -> None:
    for links, name, source, target in zip(found, job.names, job.sources, job.targets, strict=True):
        for i, j in sorted(links):
            if i >= len(source) or j >= len(target):
                raise DataError(
                    f"{name}: {aligner} links {i}-{j} in a pair of {len(source)} source and {len(target)} target "
                    "words: it splits the text into other words; use another version, or the aligner builtin"
                )
