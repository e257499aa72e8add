import pytest

from espnet_jst.errors import DataError
from espnet_jst.evaluation.history import read_history

LOG = """[host] 2026-01-01 10:00:00,000 (trainer:336) INFO: 1/2epoch started
[host] 2026-01-01 10:00:09,000 (trainer:811) INFO: 1epoch:train:1-10batch: iter_time=0.010, loss=9.000
[host] 2026-01-01 10:01:00,000 (trainer:394) INFO: 1epoch results: [train] iter_time=0.012, loss_joint=4.512, \
loss=1.204e+03, optim0_lr0=5.000e-04, time=1 minute and 2.5 seconds, total_count=10, [valid] loss_joint=3.9, \
loss=nan, time=3.11 seconds, total_count=2, [att_plot] time=0.2 seconds, total_count=0
[host] 2026-01-01 10:02:00,000 (trainer:394) INFO: 2epoch results: [train] loss=7.5, time=1 hour, 2 minutes and 3 \
seconds, total_count=20, [valid] loss=8.5, time=3.1 seconds, total_count=4
"""


def test_epochs_are_read_part_by_part(tmp_path):
    (tmp_path / "train.log").write_text(LOG)
    first, second = read_history(tmp_path)
    assert first["train"] == {"iter_time": 0.012, "loss_joint": 4.512, "loss": 1204.0, "optim0_lr0": 5e-4}
    assert first["valid"]["loss_joint"] == 3.9 and first["valid"]["loss"] != first["valid"]["loss"]
    assert set(first) == {"epoch", "train", "valid"}
    assert second == {"epoch": 2, "train": {"loss": 7.5}, "valid": {"loss": 8.5}}


def test_an_epoch_that_was_run_again_counts_once(tmp_path):
    (tmp_path / "train.log").write_text(LOG + "x INFO: 2epoch results: [train] loss=6.5, total_count=20\n")
    assert read_history(tmp_path / "train.log")[1] == {"epoch": 2, "train": {"loss": 6.5}}


def test_a_log_without_a_finished_epoch_is_an_error(tmp_path):
    (tmp_path / "train.log").write_text("1/2epoch started\n")
    with pytest.raises(DataError, match="no line with the results"):
        read_history(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        read_history(tmp_path / "other")
