"""What SimulEval 1.1 and simulstream 1.0 take from their logs, after the documented forms; the tests use the packages'
own readers in their place where they are installed."""

import json
from fractions import Fraction
from pathlib import PurePath

from tests.reference.latency import average_lagging


def simuleval_laal(path, field="delays"):
    """Mean LAAL in ms of the instances that wrote something; `elapsed` for the computation-aware one."""
    values = []
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        delays, source = [Fraction(str(d)) for d in entry[field]], Fraction(str(entry["source_length"]))
        if not delays:
            continue
        values.append(average_lagging(delays, source, max(len(delays), len(entry["reference"].split(" ")))))
    return float(sum(values) / len(values))


def simuleval_laal_by_package(path, field="delays"):
    import pytest

    pytest.importorskip("simuleval", reason="SimulEval is not installed")
    scorers = pytest.importorskip("simuleval.evaluator.scorers.latency_scorer", exc_type=ImportError)
    from simuleval.evaluator.instance import LogInstance

    lines = path.read_text(encoding="utf-8").splitlines()
    scorer = scorers.LAALScorer(computation_aware=field == "elapsed")
    return scorer({index: LogInstance(line) for index, line in enumerate(lines)})


def simulstream_outputs(path, config):
    """{audio: (text, ideal delays in s, computation-aware delays in s)}; `config` names how tokens are joined."""
    assert config.read_text(encoding="utf-8").split() == ["detokenizer_type:", "simuleval", "latency_unit:", "word"]
    names, outputs = {}, {}
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if "metadata" in entry:
            names[entry["id"]] = PurePath(entry["metadata"]["wav_name"]).stem
            continue
        assert entry["deleted_tokens"] == []
        words, ideal, aware = outputs.setdefault(names[entry["id"]], ([], [], []))
        words += entry["generated_tokens"]
        ideal += [entry["total_audio_processed"]] * len(entry["generated_tokens"])
        aware += [entry["total_audio_processed"] + entry["computation_time"]] * len(entry["generated_tokens"])
    return {name: (" ".join(words), ideal, aware) for name, (words, ideal, aware) in outputs.items()}


def simulstream_outputs_by_package(path, config):
    import pytest

    pytest.importorskip("simulstream", reason="simulstream is not installed")
    from simulstream.config import yaml_config
    from simulstream.metrics.readers import LogReader

    found = LogReader(yaml_config(str(config)), str(path)).final_outputs_and_latencies()
    return {name: (out.final_text, out.ideal_delays, out.computational_aware_delays) for name, out in found.items()}
