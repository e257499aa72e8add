from __future__ import annotations

import subprocess
import sys

import pytest

from espnet_jst.bin.jst_recipe import main


def test_help_needs_neither_torch_nor_espnet():
    code = (
        "import sys\n"
        "from espnet_jst.bin.jst_recipe import main\n"
        "try:\n    main(['--help'])\n"
        "finally:\n    print(sorted({'torch', 'espnet', 'espnet2', 'numpy'} & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--stop_stage" in done.stdout
    assert done.stderr.strip() == "[]"


def test_a_failing_stage_is_one_message_and_exit_status_1(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["--stage", "3", "--stop_stage", "3"]) == 1
    assert capsys.readouterr().err == (
        "error: stage 3 (format audio of train) needs data/train/wav.scp, which does not exist; run the stage that "
        "writes it first\n"
    )


def test_what_the_decoder_would_refuse_after_training_is_refused_before_the_first_stage(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "train.yaml").write_text("max_epoch: 1\n")
    (tmp_path / "decode.yaml").write_text("beam_sizze: 4\n")
    assert main(["--inference_config", "decode.yaml"]) == 1
    assert "unknown key 'beam_sizze' (did you mean 'beam_size'?)" in capsys.readouterr().err
    assert main(["--inference_config", "decode.yml"]) == 1
    assert "decode.yml: cannot be read" in capsys.readouterr().err
    assert main(["--inference_args", "--asr_ctc_weight 0.3"]) == 1
    assert "--asr_ctc_weight 0.3: not used here" in capsys.readouterr().err
    assert main(["--inference_config", "decode.yaml", "--stage", "3", "--stop_stage", "3"]) == 1
    assert "stage 3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--search_heads asr", "search_heads: 'asr' is not one of ctc, joint"),
        ("--blank_penalty transkript=1", "blank_penalty: unknown key 'transkript' (did you mean 'transcript'?)"),
    ],
)
def test_heads_and_lanes_that_the_model_will_not_have_are_refused_before_the_first_stage(
    flags, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").mkdir()
    heads = "joint: {kind: transducer, lanes: [transcript, translation]}, ctc: {kind: ctc, lanes: [transcript]}"
    (tmp_path / "conf" / "train.yaml").write_text(f"model_conf: {{heads: {{{heads}}}}}\n")
    assert main(["--inference_args", flags]) == 1
    assert message in capsys.readouterr().err


def test_wrong_options_are_refused_before_anything_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["--stage", "99"]) == 1
    assert "--stage 99 --stop_stage 10000: no stage to run; there are 1 to 16" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
