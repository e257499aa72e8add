"""Muon (K. Jordan, 2024; see arXiv:2502.16982): orthogonalised momentum for matrices, AdamW for the rest.

PyTorch's own takes matrices only and always computes in bfloat16, which is far slower on a CPU without bfloat16
arithmetic; this one follows `product_dtype`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from espnet_jst.errors import ConfigError
from espnet_jst.keys import takes
from espnet_jst.training.conf import MuonConf
from espnet_jst.training.hooks import ModelOptimizer

# Odd polynomials a x + b x^3 + c x^5, one an iteration: each the closest to 1 (in the largest error) on what the one
# before makes of [0.003, 1] and 5 % more, as in arXiv:2505.16932. All of it lands in 1 +- 0.24, with one iteration
# less than the five equal ones of the original need for 1 +- 0.32. Without the 5 %, rounding to bfloat16 is enough to
# leave the interval, beyond which they explode.
POLYNOMIALS = (
    (8.3837, -24.7659, 18.3571),
    (3.8623, -2.6119, 0.4482),
    (3.3992, -2.3200, 0.4203),
    (2.4912, -1.7004, 0.3639),
)
MARGIN = 1.02  # the first polynomial's interval, likewise


def hidden_matrices(model: nn.Module) -> list[Tensor]:
    """Weights of the linear layers inside the encoders: no embedding, no convolution, no output over a vocabulary."""
    encoders = [module for name, module in model.named_children() if name.endswith("encoder")]
    linear = [layer for encoder in encoders for layer in encoder.modules() if isinstance(layer, nn.Linear)]
    return [layer.weight for layer in linear if layer.weight.requires_grad]


class Muon(ModelOptimizer, torch.optim.AdamW):
    """`--optim muon`: encoder matrices move along their orthogonalised momentum, everything else as with AdamW.

    Args:
        params: groups; a group with `orthogonal: True` holds matrices. See `groups`.

    `product_dtype` is that of the iteration's products; momentum and weights are float32 in any case.

    Raises:
        ConfigError: there is no group of matrices.
    """

    @takes(MuonConf)
    def __init__(self, params: Iterable[Any], conf: MuonConf) -> None:
        groups = list(params)
        if not any(isinstance(group, dict) and group.get("orthogonal") for group in groups):
            raise ConfigError("--optim muon needs an encoder with linear layers, trained by jst_train")
        for group in groups:
            if group.get("orthogonal"):
                group.update(lr=conf.matrix_lr, momentum=conf.momentum)
        betas = (float(conf.betas[0]), float(conf.betas[1]))
        super().__init__(groups, conf.lr, betas, conf.eps, conf.weight_decay, fused=conf.fused)

    @staticmethod
    def groups(model: nn.Module) -> list[dict[str, Any]]:
        """The parameters of a model: the matrices inside its encoders, and the others."""
        matrices = hidden_matrices(model)
        known = {id(parameter) for parameter in matrices}
        others = [p for p in model.parameters() if id(p) not in known and p.requires_grad]
        return [
            {"params": group, "orthogonal": orthogonal}
            for group, orthogonal in ((matrices, True), (others, False))
            if group
        ]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """One update. Gradients of matrices are used up: AdamW, which comes after, passes over parameters without."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if group.get("orthogonal"):
                self._move_matrices(group)
        super().step()
        return loss

    @torch.no_grad()
    def _move_matrices(self, group: dict[str, Any]) -> None:
        shapes: dict[tuple[int, ...], list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for parameter in group["params"]:
            if parameter.grad is not None:
                shapes[tuple(parameter.shape)].append((parameter, parameter.grad))
        for (rows, columns), pairs in shapes.items():
            parameters, gradients = (list(x) for x in zip(*pairs))
            momenta = [self._buffer(parameter) for parameter in parameters]
            torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
            torch._foreach_lerp_(gradients, momenta, group["momentum"])
            update = orthogonalised(torch.stack(gradients), self.product_dtype)
            scale = group["lr"] * max(1.0, rows / columns) ** 0.5
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(parameters, list(update.unbind()), alpha=-scale)
            for parameter in parameters:
                parameter.grad = None

    def _buffer(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())  # AdamW looks for it when a state is loaded
            state["momentum_buffer"] = torch.zeros_like(parameter)
        return state["momentum_buffer"]


def orthogonalised(matrices: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """(N, rows, columns) -> about the nearest matrices with orthonormal rows or columns.

    Singular values from 0.003 of the Schatten-4 norm on come to 0.75-1.25, smaller ones rise 270 times.

    Args:
        matrices: the matrices.
        dtype: of the products.
    """
    if matrices.size(1) > matrices.size(2):
        return orthogonalised(matrices.mT, dtype).mT
    x = matrices.to(dtype)
    gram = x @ x.mT
    # The Schatten-4 norm bounds the largest singular value more closely than Frobenius', and its fourth power is here.
    norm = gram.flatten(1).norm(dim=1, dtype=torch.promote_types(dtype, torch.float32)).sqrt()
    scale = (1 / (MARGIN * norm).clamp(min=1e-15)).to(dtype)[:, None, None]
    x, gram = x * scale, gram * scale.square()
    # In bfloat16 the Gram matrix alone is too coarse: rounding makes small eigenvalues negative, and they explode.
    wide = x.size(2) >= 2 * x.size(1) and dtype != torch.bfloat16
    return (_iterate_wide if wide else _iterate)(x, gram).to(matrices.dtype)


def _iterate(x: Tensor, gram: Tensor) -> Tensor:
    for number, (a, b, c) in enumerate(POLYNOMIALS):
        if number:
            gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def _iterate_wide(x: Tensor, gram: Tensor) -> Tensor:
    """The same polynomials, of the Gram matrix alone: they commute with it, and only two products are wide."""
    factors: list[Tensor] = []
    for a, b, c in POLYNOMIALS:
        if factors:
            gram = factors[-1] @ (factors[-1] @ gram)
        factors.append(torch.baddbmm(gram, gram, gram, beta=b, alpha=c))
        factors[-1].diagonal(dim1=1, dim2=2).add_(a)
    total = factors[0]
    for factor in factors[1:]:
        total = factor @ total
    return total @ x
