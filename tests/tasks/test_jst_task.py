"""JSTTask against what went wrong when ESPnet's own ST task was run: one test for each trap."""

import argparse
import multiprocessing
import os
import pickle
import socket
import sys
from pathlib import Path

import pytest
import torch
import yaml
from espnet2.train.class_choices import ClassChoices

import espnet_jst
from espnet_jst.encoders.chunk_conformer import ChunkConformer
from espnet_jst.errors import CheckpointError, ConfigError, DataError, JSTError
from espnet_jst.inputs.log_mel import LogMel
from espnet_jst.tasks.jst import JSTTask
from espnet_jst.weights import read_weights
from tests.training.corpus import config, make_corpus, write_config

asr = pytest.importorskip("espnet2.tasks.asr")
st = pytest.importorskip("espnet2.tasks.st")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    torch.set_num_threads(1)
    root = make_corpus(tmp_path_factory.mktemp("corpus"))
    write_config(root)
    return root


@pytest.fixture(scope="module")
def trained(root):
    """One epoch with ESPnet's defaults for tensorboard and pictures."""
    exp = root / "exp"
    options = ["--max_epoch", "1", "--use_tensorboard", "true", "--use_matplotlib", "true"]
    JSTTask.main(cmd=["--config", str(root / "train.yaml"), "--output_dir", str(exp), *options])
    return exp


def parse(*options):
    return JSTTask.get_parser().parse_args(list(options))


def parse_yaml(folder: Path, **values):
    path = folder / "values.yaml"
    path.write_text(yaml.safe_dump(values))
    return parse("--config", str(path))


class NotAnEncoder(torch.nn.Module):
    """A module that is no AbsEncoder."""


class MyEncoder(ChunkConformer):
    """A user's own encoder."""


# Registration


def test_registering_again_changes_nothing():
    before = dict(st.encoder_choices.classes)
    espnet_jst.register()
    espnet_jst.register()
    assert st.encoder_choices.classes == before


def test_names_are_in_the_choices_of_both_tasks():
    espnet_jst.register()
    for task in (st, asr):
        assert "log_mel" in task.frontend_choices.classes
        assert "running_mvn" in task.normalize_choices.classes
        assert "chunk_conformer" in task.encoder_choices.classes
    assert "chunk_conformer" in st.hier_encoder_choices.classes
    assert "chunk_conformer" in asr.ASRTask.get_parser().format_help()


def test_a_class_of_another_kind_is_refused_where_espnet_would_take_it():
    ClassChoices("encoder", {}, type_check=st.AbsEncoder, default="x").classes["notenc"] = NotAnEncoder  # unchecked
    with pytest.raises(TypeError, match="encoder 'notenc': NotAnEncoder must derive from AbsEncoder"):
        espnet_jst.register({"encoder": {"notenc": NotAnEncoder}})
    from espnet_jst.registry import TABLE

    del TABLE["encoder"]["notenc"]


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"encoder": {"HentX": MyEncoder}}, "use 'hentx'"),
        ({"encoder": {"conformer": MyEncoder}}, "already ConformerEncoder"),
        ({"encodr": {"mine": MyEncoder}}, "no choice 'encodr'"),
    ],
)
def test_a_name_that_espnet_could_not_find_is_refused(extra, message, monkeypatch):
    from espnet_jst import registry

    monkeypatch.setattr(registry, "TABLE", {key: dict(value) for key, value in registry.TABLE.items()})
    with pytest.raises(ValueError, match=message):
        espnet_jst.register(extra)


def test_a_class_of_the_users_can_be_chosen_by_name(root, monkeypatch):
    from espnet_jst import registry

    monkeypatch.setattr(registry, "TABLE", {key: dict(value) for key, value in registry.TABLE.items()})
    monkeypatch.setattr(st.encoder_choices, "classes", dict(st.encoder_choices.classes))
    espnet_jst.register({"encoder": {"my_encoder": MyEncoder}})
    args = parse("--config", str(root / "train.yaml"), "--encoder", "my_encoder")
    assert isinstance(JSTTask.build_model(args).encoder, MyEncoder)


def test_recordings_have_the_channels_that_the_frontend_takes(root, monkeypatch):
    class Stereo(LogMel):
        channels = 2

    args = parse("--config", str(root / "train.yaml"))
    assert JSTTask.build_preprocess_fn(args, train=False).channels == 1
    monkeypatch.setitem(st.frontend_choices.classes, "log_mel", Stereo)
    assert JSTTask.build_preprocess_fn(args, train=False).channels == 2
    args.frontend_conf["channels"] = 4
    assert JSTTask.build_preprocess_fn(args, train=False).channels == 4


def test_a_plugin_module_named_in_the_environment_is_imported(tmp_path, monkeypatch):
    (tmp_path / "my_jst_plugin.py").write_text("imported = True\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("JST_PLUGINS", "my_jst_plugin")
    espnet_jst.register()
    import my_jst_plugin

    assert my_jst_plugin.imported


def test_a_plugin_that_is_not_there_is_one_message(monkeypatch):
    monkeypatch.setenv("JST_PLUGINS", "nowhere_to_be_found")
    with pytest.raises(ConfigError, match="JST_PLUGINS names nowhere_to_be_found, and Python finds no module 'nowhere"):
        espnet_jst.register()


def knows_our_encoder(pickled, queue):
    worker = pickle.loads(pickled)
    from espnet2.tasks.st import encoder_choices

    queue.put((worker.__self__.__name__, "chunk_conformer" in encoder_choices.classes))


@pytest.mark.slow
def test_a_spawned_worker_sees_the_plugin():
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=knows_our_encoder, args=(pickle.dumps(JSTTask.main_worker), queue))
    process.start()
    assert queue.get(timeout=300) == ("JSTTask", True)
    process.join()


# Command line and configuration files


def test_defaults_are_ours_and_not_those_of_espnets_model():
    args = parse()
    assert (args.encoder, args.frontend, args.normalize) == ("chunk_conformer", "log_mel", "running_mvn")
    assert args.model_conf == {} and args.num_att_plot == 0
    assert args.best_model_criterion == [["valid", "loss", "min"]]
    assert not hasattr(args, "decoder") and not hasattr(args, "ctc_conf")


@pytest.mark.parametrize(
    "option",
    ["decoder", "decoder_conf", "extra_asr_decoder", "md_encoder", "ctc_conf", "st_joint_net_conf", "preencoder"]
    + ["postencoder", "extra_mt_encoder", "preprocessor", "ctc_sample_rate", "noise_scp", "cleaner"],
)
def test_an_option_that_the_model_does_not_read_is_refused_with_what_to_use(option, tmp_path):
    for use in (lambda: parse(f"--{option}", "rnn"), lambda: parse_yaml(tmp_path, **{option: "rnn"})):
        with pytest.raises(ConfigError, match=f"{option} is not read by JSTModel: .+"):
            use()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"encodr": "chunk_conformer"}, r"unknown key 'encodr' \(did you mean 'encoder'\?\)"),
        ({"encoder": "chunk_confromer"}, r"encoder: 'chunk_confromer' is not one of .*did you mean 'chunk_conformer'"),
        ({"optim": "adamm"}, "did you mean 'adam"),
        ({"max_epoch": "ten"}, "max_epoch is 'ten'"),
        ({"max_epoch": 2.5}, "give a whole number"),
        ({"encoder_conf": 3}, "give a mapping"),
        ({"batch_bins": "1e6"}, "batch_bins is '1e6'"),
    ],
)
def test_a_wrong_key_or_value_of_a_file_is_named_with_the_closest(values, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        parse_yaml(tmp_path, **values)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--encodr", "x"], r"unknown option --encodr \(did you mean '--encoder'\?\)"),
        (["--encoder", "chunk_confromer"], "did you mean 'chunk_conformer'"),
        (["--config", "/none.yaml"], "cannot be read"),
        (["--encoder_conf", "[1]"], "give key=value"),
        (["--max_train_minutes", "-1"], "positive"),
    ],
)
def test_a_wrong_option_is_one_message(options, message):
    with pytest.raises(ConfigError, match=message):
        parse(*options)


def test_the_command_line_goes_before_the_file(tmp_path):
    path = tmp_path / "values.yaml"
    path.write_text("max_epoch: 7\nencoder_conf: {size: 32, layers: 2}\nbatch_bins: 4000.0\n")
    args = parse("--max_epoch", "9", "--config", str(path), "--encoder_conf", "layers=3")
    assert args.max_epoch == 9 and args.batch_bins == 4000
    assert args.encoder_conf == {"size": 32, "layers": 3}


def test_values_of_the_command_line_execute_nothing(tmp_path):
    canary = tmp_path / "canary"
    for value in (f"__import__('os').mkdir('{canary}')", f"x=!!python/object/apply:os.mkdir ['{canary}']"):
        with pytest.raises(ConfigError):
            parse("--encoder_conf", value)
    assert parse("--encoder_conf", "{'size': 3}", "--encoder_conf", "a.b=1").encoder_conf == {"size": 3, "a": {"b": 1}}
    assert not canary.exists()


def test_a_saved_configuration_can_be_given_back(trained, root):
    args = parse("--config", str(trained / "config.yaml"))
    assert args.required == ["output_dir", "token_list"]
    again = parse("--config", str(root / "train.yaml"))
    assert args.encoder_conf == again.encoder_conf and args.model_conf == again.model_conf
    assert isinstance(JSTTask.build_model(args), torch.nn.Module)


def test_a_missing_option_is_one_message(capsys):
    with pytest.raises(ConfigError, match="--output_dir, --token_list must be given"):
        JSTTask.main(cmd=["--ngpu", "0"])
    assert len(capsys.readouterr().err.splitlines()) == 1


# Model and data


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder_conf": {"sise": 16}}, r"encoder_conf of chunk_conformer: unknown key 'sise' \(did you mean 'size'"),
        ({"model_conf": {}}, "model_conf.heads is empty"),
        ({"model_conf": {"head": {}}}, "did you mean 'heads'"),
        ({"normalize_conf": {}}, "'stats_file' is missing: give feats_stats.npz"),
        ({"normalize_conf": {"stats_file": "none.npz"}}, "none.npz"),
        ({"encoder": "conformer", "encoder_conf": {}}, "conformer.*has no taps.*chunk_conformer"),
        (
            {"encoder": "gru", "encoder_conf": {}},
            "'gru': use chunk_conformer or contextual_block or mbart or chunk_whisper or zipformer, or name the module",
        ),
        ({"normalize": "utterance_mvn", "normalize_conf": {}}, "a stream has not heard yet: use running_mvn"),
        ({"frontend": "default", "frontend_conf": {}}, "frontend 'default': DefaultFrontend has no .*use log_mel"),
        ({"token_list": "none.txt"}, "none.txt does not exist"),
        ({"model_conf": {"heads": {"a": {"kind": "ctc", "lanes": ["transcript"], "reads": "hier_encoder"}}}}, "reads"),
    ],
)
def test_a_configuration_that_cannot_be_built_is_one_message(root, changes, message):
    with pytest.raises(Exception, match=message) as raised:
        JSTTask.build_model(argparse.Namespace(**{**vars(parse()), **config(root, **changes)}))
    assert isinstance(raised.value, JSTError)


def test_statistics_are_collected_without_them_for_every_head(root):
    out = root / "stats"
    options = ["--collect_stats", "true", "--batch_size", "5", "--normalize_conf", "stats_file=not_made_yet.npz"]
    JSTTask.main(cmd=["--config", str(root / "train.yaml"), "--output_dir", str(out), *options])
    assert (out / "train" / "batch_keys").read_text().split() == ["speech", "target_joint"]
    for name in ("speech_shape", "target_joint_shape"):
        assert len((out / "train" / name).read_text().splitlines()) == 12
    assert (out / "train" / "feats_stats.npz").exists()


def test_all_values_are_printed_with_the_defaults_of_the_classes(root, monkeypatch, capsys):
    command = ["--print_config", "--encoder_conf", "size=32"]
    monkeypatch.setattr(sys, "argv", ["jst_train", *command])  # ESPnet reads it
    with pytest.raises(SystemExit):
        JSTTask.main(cmd=command)
    conf = yaml.safe_load(capsys.readouterr().out)["encoder_conf"]
    assert (conf["size"], conf["left_chunks"], conf["train_left_chunks"]) == (32, 4, [2, 4, -1])


HEAD = {"kind": "transducer", "lanes": ["transcript"]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder_conf": {"sise": 16}}, r"encoder_conf of chunk_conformer: unknown key 'sise' \(did you mean 'size'"),
        ({"encoder_conf": {"size": 30, "heads": 4}}, "encoder_conf of chunk_conformer: size=30 must be a multiple"),
        ({"frontend_conf": {"hop_s": 0.05}}, "frontend_conf of log_mel: hop_s=0.05"),
        ({"normalize_conf": {}}, "normalize_conf of running_mvn: 'stats_file' is missing"),
        ({"model_conf": {"heads": {"a": {**HEAD, "joint_size": "256"}}}}, "heads.a: joint_size is '256': give a whole"),
        ({"model_conf": {"heads": {"a": {**HEAD, "weight": "0.3"}}}}, "heads.a: weight is '0.3': give a number"),
        ({"model_conf": {"heads": {"a": {**HEAD, "weight": -1}}}}, "weight is -1: give a number from 0 to"),
        ({"model_conf": {"heads": {"a": {**HEAD, "weight": 0}}}}, "model_conf.heads: a: all have weight 0"),
        ({"model_conf": {"heads": {"a": {**HEAD, "gamma": 7}}}}, "gamma is 7: give a number from 0 to 1"),
        (
            {"model_conf": {"heads": {"a": {**HEAD, "predictor_conf": {"layer": 2}}}}},
            r"model_conf.heads.a: predictor_conf: unknown key 'layer' \(did you mean 'layers'",
        ),
        (
            {"model_conf": {"heads": {"a": {**HEAD, "predictor": "stateless", "predictor_conf": {"context": 0}}}}},
            "predictor_conf: context is 0: give a number from 1 to 64",
        ),
        ({"model_conf": {"heads": {"a": {**HEAD, "fast_emit": 0.1}}}}, "fast_emit belong to loss: pruned_rnnt"),
        ({"preprocessor_conf": {"gain": [0, 1]}}, r"preprocessor_conf: unknown key 'gain' \(did you mean 'gain_db'"),
        ({"optim": "muon", "optim_conf": {"mometum": 0.9}}, r"optim_conf of muon: .*did you mean 'momentum'"),
        ({"optim": "adamw", "optim_conf": {"lr": "1e-3"}}, r"optim_conf of adamw: lr is '1e-3': .*1.0e-3 or 0.001"),
        ({"optim": "adamw", "optim_conf": {"weight_dekay": 1}}, "did you mean 'weight_decay'"),
        ({"scheduler": "warmupcosine", "scheduler_conf": {"warmup_share": 2}}, "warmup_share is 2: .* from 0 to 1"),
    ],
)
def test_a_wrong_key_or_value_is_one_message_before_anything_is_read_or_built(root, changes, message):
    args = argparse.Namespace(**{**vars(parse("--output_dir", "exp")), **config(root, **changes)})
    args.token_list = "no/such/tokens.txt"
    with pytest.raises(ConfigError, match=message) as raised:
        JSTTask.check_required_command_args(args)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 600


def test_an_utterance_without_links_is_used(root, tmp_path):
    lines = (root / "train" / "alignment").read_text().splitlines()
    (tmp_path / "alignment").write_text("\n".join(f"{line.split()[0]} -" for line in lines) + "\n")
    files = [[f"{tmp_path}/alignment" if n == "alignment" else p, n, t] for p, n, t in _files(root, "train")]
    path = write_config(tmp_path, **{**config(root), "train_data_path_and_name_and_type": files, "max_epoch": 1})
    JSTTask.main(cmd=["--config", str(path), "--output_dir", str(tmp_path / "exp")])
    assert (tmp_path / "exp" / "1epoch.pth").exists()


@pytest.mark.parametrize("stage", ["train", "collect_stats"])
def test_data_without_what_the_heads_need_is_refused_before_training(root, tmp_path, stage):
    files = [row for row in _files(root, "train") if row[1] != "alignment"]
    path = write_config(tmp_path, **{**config(root), "train_data_path_and_name_and_type": files})
    options = ["--collect_stats", "true"] if stage == "collect_stats" else []
    with pytest.raises(ConfigError, match="head 'joint' needs the data 'alignment'.*stage 5"):
        JSTTask.main(cmd=["--config", str(path), "--output_dir", str(tmp_path / "exp"), *options])


def test_audio_at_another_rate_than_the_models_is_refused(root, tmp_path):
    path = write_config(tmp_path, **{**config(root), "frontend_conf": {"fs": 16000, "n_mels": 16}})
    with pytest.raises(DataError, match=r"train0\.wav is at 8000 Hz and the model works at 16000 Hz.*stage 3"):
        JSTTask.main(cmd=["--config", str(path), "--output_dir", str(tmp_path / "exp")])


def test_a_cache_that_would_freeze_augmentation_is_refused(root):
    with pytest.raises(ConfigError, match="max_cache_size"):
        JSTTask.main(cmd=["--config", str(root / "train.yaml"), "--output_dir", "x", "--max_cache_size", "1MB"])


def _files(root, name):
    return config(root)[f"{name}_data_path_and_name_and_type"]


# Loading


def test_a_model_is_loaded_with_exactly_its_weights(trained):
    model, args = JSTTask.load_model(trained / "config.yaml", trained / "1epoch.pth")
    saved = read_weights(trained / "1epoch.pth")
    assert all(torch.equal(value, saved[key]) for key, value in model.state_dict().items())
    assert args.token_list[2] == "<asr>"


def test_an_empty_or_foreign_weight_file_is_refused(trained, tmp_path):
    torch.save({}, tmp_path / "empty.pth")
    with pytest.raises(CheckpointError, match="missing"):
        JSTTask.build_model_from_file(trained / "config.yaml", tmp_path / "empty.pth")
    torch.save({"encoder.other": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"1 extra: encoder\.other"):
        JSTTask.build_model_from_file(trained / "config.yaml", tmp_path / "other.pth")


def test_espnets_task_does_not_build_our_configuration_as_its_own_model(trained):
    # It loads weights with strict=False: built as ESPnetSTModel, every parameter would be random, silently.
    args = argparse.Namespace(**yaml.safe_load((trained / "config.yaml").read_text()))
    with pytest.raises((AttributeError, ValueError, TypeError)):
        st.STTask.build_model(args)


def test_a_configuration_of_espnets_task_is_refused(trained, tmp_path):
    values = yaml.safe_load((trained / "config.yaml").read_text())
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({**values, "decoder": "rnn"}))
    with pytest.raises(CheckpointError, match="is not a configuration of JSTTask"):
        JSTTask.load_model(tmp_path / "config.yaml", trained / "1epoch.pth")


# Training


def test_tensorboard_and_pictures_are_written_by_default(trained):
    assert (trained / "images" / "loss.png").exists()
    assert list((trained / "tensorboard" / "train").iterdir())


def one_rank(root, rank, port):
    os.environ.update(MASTER_ADDR="localhost", MASTER_PORT=str(port))
    options = ["--dist_world_size", "2", "--dist_rank", str(rank), "--dist_backend", "gloo", "--max_epoch", "1"]
    options += ["--curriculum", "0.5", "--max_train_minutes", "5"]
    JSTTask.main(cmd=["--config", str(root / "train.yaml"), "--output_dir", str(root / "two_ranks"), *options])


def test_two_processes_train_one_model(root):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("fork")
    ranks = [context.Process(target=one_rank, args=(root, rank, port)) for rank in range(2)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(120)
    assert [process.exitcode for process in ranks] == [0, 0]
    assert read_weights(root / "two_ranks" / "1epoch.pth")
