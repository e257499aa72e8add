import argparse

import pytest

from espnet_jst.bin.arguments import encoder_values, lane_values, parse_with_config


def test_a_penalty_is_a_number_or_one_for_some_lanes():
    assert lane_values("0.5") == 0.5 and encoder_values("8") == 8
    assert encoder_values("encoder=8,hier_encoder=-1") == {"encoder": 8, "hier_encoder": -1}
    assert lane_values("transcript=0,translation=1.5") == {"transcript": 0.0, "translation": 1.5}
    for wrong in ("much", "translation=", "a=b=1"):
        with pytest.raises(argparse.ArgumentTypeError, match="translation=1.5"):
            lane_values(wrong)
    with pytest.raises(argparse.ArgumentTypeError, match="'hier' is none of the encoders encoder and hier_encoder"):
        encoder_values("hier=3")


@pytest.mark.parametrize("written", ["{translation: 1.5}", "translation=1.5"])
def test_a_configuration_may_hold_a_penalty_for_some_lanes(tmp_path, written):
    (tmp_path / "decode.yaml").write_text(f"blank_penalty: {written}\n")
    parser = argparse.ArgumentParser()
    parser.add_argument("--blank_penalty", type=lane_values, default=0.0)
    args = parse_with_config(parser, ["--config", str(tmp_path / "decode.yaml")])
    assert args.blank_penalty == {"translation": 1.5}
