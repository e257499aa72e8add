"""What a model's parts are replaced by where graphs compute them: the encoder, and what searches call of a head."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from espnet_jst.heads.ctc import CTCHead
from espnet_jst.heads.interface import Head
from espnet_jst.heads.joint import JointNetwork
from espnet_jst.heads.predictor import Predictor, PredictorState
from espnet_jst.heads.transducer import TransducerHead

Run = Callable[[Sequence[Tensor]], Sequence[Tensor]]
# The graphs of a head: what each takes. A predictor gives its output as the joint network wants it, and its state.
ENCODER_PROJ, PREDICTOR, JOINT, CTC = "encoder_proj", "predictor", "joint", "ctc"


def graphs_of(head: Head) -> dict[str, list[str]]:
    """The graphs that stand for a head, and the names of what each takes."""
    if isinstance(head, CTCHead):
        return {CTC: ["x"]}
    assert isinstance(head, TransducerHead)
    state = [f"state{number}" for number, _ in enumerate(head.predictor.init_state(1).tensors)]
    return {ENCODER_PROJ: ["x"], PREDICTOR: ["labels", *state], JOINT: ["projected"]}


def graph_file(owner: str, part: str = "") -> str:
    """The file of an encoder's graph, or of one of a head's."""
    return f"{owner}.{part}.onnx" if part else f"{owner}.onnx"


def replace_head(head: Head, runs: dict[str, Run]) -> None:
    """Let graphs compute what a head computes in a search."""
    if isinstance(head, CTCHead):
        head.output = FrameWise(runs[CTC])  # type: ignore[assignment]  # log_softmax of log-probabilities is the same
        return
    assert isinstance(head, TransducerHead)
    head.predictor = GraphPredictor(head.predictor, runs[PREDICTOR])
    head.joint = GraphJoint(runs[ENCODER_PROJ], runs[JOINT], hat=head.joint.hat, blank=head.blank)
    head.criterion = None  # type: ignore[assignment]  # of training alone


class FrameWise(nn.Module):
    """(..., D) -> (..., E), by a graph of (N, D)."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run

    def forward(self, x: Tensor) -> Tensor:
        """Any axes before the features."""
        [y] = self.run([x.reshape(-1, x.size(-1))])
        return y.view(*x.shape[:-1], y.size(-1))


class GraphPredictor(Predictor):
    """Steps of a predictor; a step gives what the joint network adds to the frame."""

    def __init__(self, predictor: Predictor, run: Run) -> None:
        super().__init__()
        self.output_size, self.run = predictor.output_size, run
        self._first = predictor.init_state(1)

    def forward(self, targets: Tensor) -> Tensor:
        raise NotImplementedError("a graph of a predictor takes single steps")

    def init_state(self, batch_size: int, device: object = "cpu") -> PredictorState:
        return PredictorState(tuple(x.expand(batch_size, *x.shape[1:]).clone() for x in self._first.tensors))

    def step(self, labels: Tensor, state: PredictorState) -> tuple[Tensor, PredictorState]:
        y, *tensors = self.run([labels, *state.tensors])
        return y, PredictorState(tuple(tensors))


class GraphJoint(JointNetwork):
    """The joint network without weights; what a predictor's graph gives is projected already."""

    def __init__(self, encoder_proj: Run, joint: Run, *, hat: bool, blank: int) -> None:
        nn.Module.__init__(self)
        self.hat, self.blank = hat, blank
        self.encoder_proj = FrameWise(encoder_proj)  # type: ignore[assignment]
        self.predictor_proj = nn.Identity()  # type: ignore[assignment]
        self._logits = FrameWise(joint)

    def logits(self, projected: Tensor) -> Tensor:
        """As `JointNetwork.logits`."""
        logits: Tensor = self._logits(projected)
        return logits
