"""k2's `mutual_information_recursion` in plain PyTorch, by its documentation: its wheel does not run on Python 3.11."""

import importlib.machinery

import torch

__spec__ = importlib.machinery.ModuleSpec("k2", None)


@torch.enable_grad()
def mutual_information_recursion(px, py, boundary=None, return_grad=False):
    """px (B, S, T + 1), py (B, S + 1, T), boundary (B, 4): first symbol and frame, last symbol and frame -> (B,).

    p[s, t] = logaddexp(p[s - 1, t] + px[s - 1, t], p[s, t - 1] + py[s, t - 1]).
    """
    B, S, _ = px.shape
    T = py.size(2)
    assert py.shape == (B, S + 1, T) and px.size(2) == T + 1
    px, py = (x.detach().double().requires_grad_() for x in (px, py))
    totals = []
    for b in range(B):
        s0, t0, s1, t1 = boundary[b].tolist()
        p = {}
        for s in range(s0, s1 + 1):
            for t in range(t0, t1 + 1):
                ways = [torch.zeros((), dtype=torch.float64)] if (s, t) == (s0, t0) else []
                if s > s0:
                    ways.append(p[s - 1, t] + px[b, s - 1, t])
                if t > t0:
                    ways.append(p[s, t - 1] + py[b, s, t - 1])
                p[s, t] = torch.logsumexp(torch.stack(ways), 0)
        totals.append(p[s1, t1])
    total = torch.stack(totals)
    if not return_grad:
        return total.float()
    grads = torch.autograd.grad(total.sum(), (px, py), allow_unused=True)  # px: a batch without labels
    return total.detach(), tuple(torch.zeros_like(x) if g is None else g for g, x in zip(grads, (px, py)))
