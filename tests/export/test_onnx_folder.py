"""An exported folder gives what its pack gives, through the same session and searches."""

import json
import shutil
import sys
from functools import cache

import pytest
import soundfile

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

from espnet_jst.bin import cli
from espnet_jst.errors import CheckpointError, ConfigError, JSTError
from espnet_jst.export.onnx_folder import export_onnx
from espnet_jst.hub.about import said_of
from espnet_jst.inference import Speech2Text
from espnet_jst.inference.session import advance_together
from tests.hub.packs import packed_recipe
from tests.inference import tiny

pytestmark = pytest.mark.slow  # PyTorch's exporter takes seconds a graph

STATELESS = {"kind": "transducer", "predictor": "stateless"}
HENT_SRT = {
    "asr": {**STATELESS, "reads": "encoder", "lanes": ["transcript"], "predictor_conf": {"size": 24}},
    "asr_ctc": {"kind": "ctc", "reads": "encoder", "lanes": ["transcript"]},
    "st": {**STATELESS, "reads": "hier_encoder", "lanes": ["translation"], "predictor_conf": {"size": 24}},
}
WHISPER = {
    **{"size": 32, "layers": 2, "heads": 2, "feed_forward_size": 48, "positions": 30},
    **{"output_subsampling": 4, "chunk_frames": 4, "left_chunks": 2},
}
SYSTEMS = {
    "tsot": tiny.config(tiny.SERIALIZED),
    "whisper": tiny.config(tiny.TWO_HEADS, two_encoders=True)
    | {"encoder": "chunk_whisper", "encoder_conf": WHISPER, "normalize": None, "normalize_conf": {}},
    # Without parts that are one object, of which YAML would make an alias.
    "hent_srt": json.loads(json.dumps(tiny.config(HENT_SRT, two_encoders=True, zipformer=True))),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Of a system the experiment's folder and the exported one."""

    @cache
    def folders(name):
        root = tmp_path_factory.mktemp(name)
        tiny.save(*tiny.tiny_model(SYSTEMS[name]), root / "exp")
        return root / "exp", export_onnx(root / "exp", root / "onnx", say=lambda line: None)

    return folders


@pytest.fixture(params=SYSTEMS)
def both(request, made):
    """How a decoding option gives (PyTorch, onnxruntime)."""

    def loaded(**options):
        return [Speech2Text.from_pretrained(folder, **options) for folder in made(request.param)]

    return loaded


def written(result):
    """Tokens, words and times; the confidence differs in the last digits."""
    words = [(w.lane, w.text, w.start_s, w.end_s, w.emission_s) for w in result.words]
    return result.yseq, words


def test_utterances_alone_and_in_a_batch_give_the_same_tokens_words_and_times(both):
    torch_model, onnx_model = both()
    audio = [tiny.speech(seconds, seed=seed) for seed, seconds in enumerate((3.1, 0.7, 1.9, 0.02))]
    wanted = [torch_model(samples)[0][3] for samples in audio]
    assert sum(len(hyp.yseq) for hyp in wanted) > 20
    assert [written(onnx_model(samples)[0][3]) for samples in audio] == [written(hyp) for hyp in wanted]
    batch = onnx_model.decode([(samples, onnx_model.fs) for samples in audio])
    assert [written(results[0][3]) for results in batch] == [written(hyp) for hyp in wanted]


def test_streams_of_any_age_share_a_batch(both):
    torch_model, onnx_model = both()
    audio = [tiny.speech(3.0, seed=5), tiny.speech(2.2, seed=6)]
    wanted = [torch_model(samples)[0][3] for samples in audio]
    sessions = [onnx_model.session(), onnx_model.session()]
    sessions[0].push(audio[0][:9000])  # the other one begins later
    for session, rest in zip(sessions, (audio[0][9000:], audio[1])):
        session.put(rest)
        session.end()
    advance_together(sessions)
    found = [onnx_model.stream_result(session)[3] for session in sessions]
    assert [written(hyp) for hyp in found] == [written(hyp) for hyp in wanted]


def test_a_beam_writes_the_same(both):
    torch_model, onnx_model = both(beam_size=3)
    for seed in (7, 8):
        samples = tiny.speech(2.0, seed=seed)
        assert written(onnx_model(samples)[0][3]) == written(torch_model(samples)[0][3])


def test_a_pack_keeps_licence_languages_and_tokens(tmp_path):
    folder = export_onnx(packed_recipe(tmp_path), tmp_path / "onnx", weights="int8", say=lambda line: None)
    manifest = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    assert manifest["licence"] == {"weights": "cc-by-4.0", "data": "DATA_LICENSE.md"}
    assert manifest["weights"] == "int8" and manifest["encoders"]["encoder"]["state"]["cached"] == ["batch"]
    assert (folder / "tokens.tgt.txt").read_text(encoding="utf-8").split() == tiny.TARGET
    model = Speech2Text.from_pretrained(folder)
    assert model.languages == {"transcript": "en", "translation": "de"}
    assert said_of(model.config_file)[0].license == "cc-by-4.0"  # what a server shows of it
    assert model(tiny.speech(2.0))[0][2]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".export-")]


def test_the_command_writes_a_folder_that_transcribe_takes(made, tmp_path, capsys):
    exp, _ = made("tsot")
    output = tmp_path / "new" / "folder"
    output.mkdir(parents=True)
    assert cli.main(["export", "--to", "onnx", str(exp), str(output), "--chunk_s", "0.64", "--left_chunks", "1"]) == 0
    assert "encoder.onnx: differs from the model by" in capsys.readouterr().out
    soundfile.write(tmp_path / "a.wav", tiny.speech(2.0), 8000)
    assert cli.main(["transcribe", "--model", str(output), str(tmp_path / "a.wav")]) == 0
    shown = capsys.readouterr().out
    assert cli.main(["transcribe", "--model", str(exp), "--left_chunks", "1", str(tmp_path / "a.wav")]) == 0
    assert capsys.readouterr().out == shown != ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chunk_s": 0.64}, "exported for chunks of 4 frames"),
        ({"chunk_s": 0}, "exported for chunks of 4 frames"),
        ({"device": "cuda"}, "runs on the CPU"),
        ({"quantize_model": True}, "--weights int8"),
    ],
)
def test_what_was_decided_with_the_export_cannot_be_changed(made, options, message):
    with pytest.raises(ConfigError, match=message):
        Speech2Text.from_pretrained(made("tsot")[1], **options)


def damaged(folder, target, change):
    shutil.copytree(folder, target)
    change(target)
    return target


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "export.json").write_text("{"), "export.json is damaged"),
        (lambda f: (f / "export.json").write_text('{"format": 99}'), "has format 99"),
        (lambda f: (f / "encoder.onnx").unlink(), "encoder.onnx: named by export.json, but missing"),
        (lambda f: (f / "joint.joint.onnx").write_bytes(b"x"), "joint.joint.onnx: its SHA-256 differs"),
        (lambda f: edit(f, lambda values: values["files"].pop("encoder.onnx")), "names no encoder.onnx"),
        (lambda f: edit(f, lambda values: values["contexts"].pop("encoder")), "of other encoders"),
        (lambda f: edit(f, lambda v: v["contexts"].update(encoder={"chunk_frames": "4"})), "a context is"),
        (lambda f: edit(f, lambda v: v["contexts"]["encoder"].update(left_chunks=9)), "another chunk or left context"),
        (lambda f: edit(f, lambda v: v["files"].update({"../x": "0"})), "outside of the pack"),
    ],
)
def test_a_damaged_folder_is_one_message(made, tmp_path, change, message):
    folder = damaged(made("tsot")[1], tmp_path / "copy", change)
    with pytest.raises(CheckpointError, match=message):
        Speech2Text.from_pretrained(folder)


def edit(folder, change):
    values = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    change(values)
    (folder / "export.json").write_text(json.dumps(values), encoding="utf-8")


def test_what_is_no_pack_and_a_folder_that_is_not_empty_are_refused(made, tmp_path):
    with pytest.raises(CheckpointError, match="neither meta.yaml"):
        export_onnx(tmp_path, tmp_path / "onnx")
    exp, onnx = made("tsot")
    with pytest.raises(ConfigError, match="is not empty"):
        export_onnx(exp, onnx)


def test_another_system_is_refused_with_all_that_cannot_be_exported(tmp_path):
    conf = tiny.config({**tiny.TWO_HEADS, "att": {"kind": "attention", "lanes": ["translation"], "reads": "encoder"}})
    conf = conf | tiny.config(tiny.TWO_HEADS, two_encoders=True)
    conf["model_conf"]["heads"] = {**tiny.TWO_HEADS, "ctc": tiny.TWO_HEADS["ctc"]}
    conf["hier_encoder_conf"] = {**tiny.UPPER, "chunk_frames": 0}
    tiny.save(*tiny.tiny_model(conf), tmp_path / "exp")
    with pytest.raises(ConfigError, match="cannot be exported; hier_encoder: it hears whole utterances"):
        export_onnx(tmp_path / "exp", tmp_path / "onnx")
    assert not (tmp_path / "onnx").exists()


def test_a_missing_package_is_named_with_the_command(made, tmp_path, monkeypatch):
    exp, onnx = made("tsot")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for call in (lambda: export_onnx(exp, tmp_path / "onnx"), lambda: Speech2Text.from_pretrained(onnx)):
        with pytest.raises(JSTError, match=r"onnxruntime is missing: pip install 'espnet_jst\[export\]'"):
            call()
