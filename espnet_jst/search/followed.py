"""What the penalty of a lane can follow in a model: a lane as it is written, a CTC head, or seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from espnet_jst.config import check_choice, check_keys
from espnet_jst.errors import ConfigError
from espnet_jst.heads.spec import HeadSpec
from espnet_jst.search.conf import Penalty, PenaltyConf, read_penalty
from espnet_jst.text.lanes import Lane

WHERE = "blank_penalty"
SECONDS = "seconds"


class Followed(NamedTuple):
    """One of both; neither where seconds are followed.

    Attributes:
        head: the CTC head that hears the lane.
        written: place of the lane among those of the searched head.
    """

    head: str | None = None
    written: int | None = None


class LanePenalty(NamedTuple):
    """The penalty of a lane that adapts.

    Attributes:
        kind: name of its rule.
        conf: keys of it.
        followed: what it follows.
    """

    kind: str
    conf: PenaltyConf
    followed: Followed


def lane_penalties(
    penalty: float | Mapping[str, float | Mapping[str, Penalty]],
    head: HeadSpec,
    heads: Mapping[str, HeadSpec],
    lanes: Mapping[str, Lane],
) -> list[float | LanePenalty]:
    """The penalty of each lane of a searched head.

    Args:
        penalty: of the decoding configuration: a number for all lanes or by lane; those not named have 0.
        head: the head that is searched.
        heads: all of the model.
        lanes: of the model.

    Raises:
        ConfigError: a lane or a key is unknown, or the model has nothing that could be followed.
    """
    if not isinstance(penalty, Mapping):
        return [float(penalty)] * len(head.lanes)
    check_keys(penalty, lanes, WHERE)
    found: list[float | LanePenalty] = []
    for lane in head.lanes:
        entry = penalty.get(lane, 0.0)
        if isinstance(entry, Mapping):
            conf = read_penalty(entry, f"{WHERE}.{lane}")
            found.append(LanePenalty(str(entry["kind"]), conf, _followed(conf, lane, head, heads, lanes)))
        else:
            found.append(float(entry))
    return found


def _followed(
    conf: PenaltyConf, lane: str, head: HeadSpec, heads: Mapping[str, HeadSpec], lanes: Mapping[str, Lane]
) -> Followed:
    """What is asked for; by default the lane itself by its CTC head, else what was spoken."""
    if conf.follows is not None:
        check_choice(conf.follows, [*lanes, SECONDS], f"{WHERE}.{lane}.follows")
    if conf.follows == SECONDS:
        return Followed()
    names = [conf.follows] if conf.follows else [lane, *(name for name, known in lanes.items() if known.source)]
    for name in names:
        if conf.reads_written and name in head.lanes and name != lane:
            return Followed(written=head.lanes.index(name))
        for other in heads.values():
            # A head on a later encoder would know of a frame only after the search has passed it.
            if other.kind == "ctc" and other.lanes == (name,) and _encoder(other) in ("encoder", _encoder(head)):
                return Followed(head=other.name)
    raise ConfigError(
        f"{WHERE}.{lane}: no CTC head that hears {' or '.join(dict.fromkeys(names))} as early as head {head.name!r}: "
        f"give a fixed number, or follows: {SECONDS}, or train the model with a head of kind: ctc"
    )


def _encoder(head: HeadSpec) -> str:
    return head.reads.partition(".")[0]
