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

# Odd polynomial whose iteration drives singular values from (0, 1] to about 1.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def hidden_matrices(model: nn.Module) -> list[Tensor]:
    """Weights of the linear layers inside the encoders: no embedding, no convolution, no output over a vocabulary."""
    encoders = [module for name, module in model.named_children() if name.endswith("encoder")]
    linear = [layer for encoder in encoders for layer in encoder.modules() if isinstance(layer, nn.Linear)]
    return [layer.weight for layer in linear if layer.weight.requires_grad]


class Muon(torch.optim.AdamW):
    """`--optim muon`: encoder matrices move along their orthogonalised momentum, everything else as with AdamW.

    Args:
        params: groups; a group with `orthogonal: True` holds matrices. See `groups`.
        lr: rate of AdamW.
        matrix_lr: rate of the matrices, about the relative size of one update.
        momentum: of the matrices.
        iterations: steps of the Newton-Schulz iteration.
        weight_decay: of all, decoupled.
        others: further keys of AdamW (betas, eps, fused).

    Attributes:
        product_dtype: of the iteration's products; momentum and weights are float32 in any case.

    Raises:
        ConfigError: there is no group of matrices.
    """

    product_dtype = torch.float32

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        matrix_lr: float = 0.01,
        momentum: float = 0.95,
        iterations: int = 5,
        weight_decay: float = 0.01,
        **others: Any,
    ) -> None:
        groups = list(params)
        if not any(isinstance(group, dict) and group.get("orthogonal") for group in groups):
            raise ConfigError("--optim muon needs an encoder with linear layers, trained by jst_train")
        for group in groups:
            if group.get("orthogonal"):
                group.update(lr=matrix_lr, momentum=momentum, iterations=iterations)
        super().__init__(groups, lr=lr, weight_decay=weight_decay, **others)

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
            parameters = [parameter for parameter, _ in pairs]
            gradients = torch.stack([gradient.float() for _, gradient in pairs])
            buffers = [self._buffer(parameter) for parameter in parameters]
            momentum = torch.stack(buffers).float().lerp_(gradients, 1 - group["momentum"])
            torch._foreach_copy_(buffers, list(momentum.unbind()))
            update = orthogonalised(
                gradients.lerp_(momentum, group["momentum"]), group["iterations"], self.product_dtype
            )
            scale = group["lr"] * max(1.0, rows / columns) ** 0.5
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(parameters, [u.to(parameters[0].dtype) for u in update.unbind()], alpha=-scale)
            for parameter in parameters:
                parameter.grad = None

    def _buffer(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())  # AdamW looks for it when a state is loaded
            state["momentum_buffer"] = torch.zeros_like(parameter)
        return state["momentum_buffer"]


def orthogonalised(matrices: Tensor, iterations: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """(N, rows, columns) -> about the nearest matrices with orthonormal rows or columns (singular values 0.7-1.2).

    Args:
        matrices: the matrices.
        iterations: at least 1.
        dtype: of the products.
    """
    if matrices.size(1) > matrices.size(2):
        return orthogonalised(matrices.mT, iterations, dtype).mT
    x = matrices / matrices.flatten(1).norm(dim=1).clamp(min=1e-7)[:, None, None]
    x = x.to(dtype)
    # In bfloat16 the Gram matrix alone is too coarse: rounding makes small eigenvalues negative, and they explode.
    wide = x.size(2) >= 2 * x.size(1) and dtype != torch.bfloat16
    return (_iterate_wide if wide else _iterate)(x, iterations).to(matrices.dtype)


def _iterate(x: Tensor, iterations: int) -> Tensor:
    a, b, c = COEFFICIENTS
    for _ in range(iterations):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def _iterate_wide(x: Tensor, iterations: int) -> Tensor:
    """The same polynomials, of the Gram matrix alone: they commute with it, and only two products are wide."""
    a, b, c = COEFFICIENTS
    gram = x @ x.mT
    total = None
    for left in reversed(range(iterations)):
        factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal(dim1=1, dim2=2).add_(a)
        total = factor if total is None else factor @ total
        gram = factor @ (factor @ gram) if left else gram
    return x if total is None else total @ x
