"""The Zipformer in float64, one utterance at a time, as plainly as possible (arXiv:2310.11230, evaluation mode).

Weights are dicts under the names of released checkpoints, without the name of the part that a function is given. The
golden files settle what the paper leaves open:

Layout of weights
    - `self_attn_weights.in_proj`: the queries of all heads, their keys, their position queries; each head after head.
      `linear_pos`, the values and what `out_proj` takes: head after head too.
    - `nonlin_attention.in_proj`: s, v, y, and tanh is on s. The first head's weights are used, for all its channels.
    - `conv_module.in_proj`: values, then gates. A causal `chunkwise_conv_scale` (2, D, K) has the table of the left
      edge first.
    - The front end flattens a frame channel after channel: index c * 19 + f.
    - `downsample_output.bias` exists for a factor of 1, where it changes nothing. `layers.N.bypass_scale` is not used:
      `bypass` and `bypass_mid` hold the layer's vectors.

Order and values
    - Attention has no 1 / sqrt(d). Its positions are key minus query; cosines at even channels, sines at odd ones.
    - The bypass around a downsampled stack takes the stack's input after channels were cut or zeros were added.
    - An edge table of the chunkwise convolution is anchored at its edge of a whole chunk, also in a last chunk that is
      short; the scale multiplies the bias too. Without chunks all frames are one, here the utterance's own.
    - Left context is a number of chunks, the same for every stack; chunks are divided by a stack's factor.

Released code works on padded batches, and there padding leaks: the front end's ConvNeXt reads padded frames into the
last three valid ones, a downsampling averages them into the last group, and without chunks the right edge is that of
the batch. It masks only keys, and values before the depthwise convolution, both with every ds-th value of the mask, so
that a group with one valid frame is valid. Computed so from the padded features, this reference gives the golden
outputs of the padded utterances too.
"""

import math

import torch
from torch.nn import functional as F


def part(weights, name):
    """The weights below a name, without it."""
    return {key[len(name) + 1 :]: value.double() for key, value in weights.items() if key.startswith(f"{name}.")}


def swoosh(x, shift, offset):
    return torch.logaddexp(torch.zeros((), dtype=x.dtype), x - shift) - 0.08 * x - offset


def swoosh_l(x):
    return swoosh(x, 4.0, 0.035)


def swoosh_r(x):
    return swoosh(x, 1.0, 0.313261687)


def linear(w, name, x):
    return F.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))


def bias_norm(w, x):
    return x * w["log_scale"].exp() / (x - w["bias"]).square().mean(-1, keepdim=True).sqrt()


def bypass(scale, old, new):
    return old + (new - old) * scale


def front_end(w, features):
    """(T, 80) at 100 Hz to ((T - 7) // 2, C) at 50 Hz."""
    x = features.double()[None, None]
    x = swoosh_r(F.conv2d(x, w["conv.0.weight"], w["conv.0.bias"], padding=(0, 1)))
    x = swoosh_r(F.conv2d(x, w["conv.4.weight"], w["conv.4.bias"], stride=2))
    x = swoosh_r(F.conv2d(x, w["conv.7.weight"], w["conv.7.bias"], stride=(1, 2)))
    depthwise = w["convnext.depthwise_conv.weight"], w["convnext.depthwise_conv.bias"]
    y = F.conv2d(x, *depthwise, padding=3, groups=x.size(1))
    y = swoosh_l(F.conv2d(y, w["convnext.pointwise_conv1.weight"], w["convnext.pointwise_conv1.bias"]))
    x = x + F.conv2d(y, w["convnext.pointwise_conv2.weight"], w["convnext.pointwise_conv2.bias"])
    x = linear(w, "out", x[0].transpose(0, 1).flatten(1))  # a frame is channel after channel
    return bias_norm(part(w, "out_norm"), x)


def position(offset, dim):
    """What is known of a key that lies `offset` frames after the query, (dim,)."""
    c = math.sqrt(dim)
    z = math.copysign(c, offset) * (math.log(abs(offset) + c) - math.log(c))
    angle = math.atan(z * 2 * math.pi / dim)
    waves = [wave(k * angle) for k in range(1, dim // 2 + 1) for wave in (math.cos, math.sin)]
    return torch.tensor([*waves[:-1], 1.0], dtype=torch.float64)


def attention_weights(w, x, heads, query_dim, pos_head_dim, pos_dim, mask):
    """(heads, T, T), softmax over the keys that the mask allows."""
    T = len(x)
    q, k, p = linear(w, "in_proj", x).split([heads * query_dim, heads * query_dim, heads * pos_head_dim], dim=1)
    table = torch.stack([position(offset, pos_dim) for offset in range(1 - T, T)])
    table = linear(w, "linear_pos", table)
    weights = []
    for h in range(heads):
        one, few = slice(h * query_dim, (h + 1) * query_dim), slice(h * pos_head_dim, (h + 1) * pos_head_dim)
        by_offset = p[:, few] @ table[:, few].T  # (T, 2 T - 1)
        by_key = torch.stack([by_offset[i, T - 1 - i : 2 * T - 1 - i] for i in range(T)])
        scores = q[:, one] @ k[:, one].T + by_key
        weights.append(scores.masked_fill(~mask, -math.inf).softmax(dim=1))
    return torch.stack(weights)


def self_attention(w, x, weights):
    values = linear(w, "in_proj", x).chunk(len(weights), dim=1)
    return linear(w, "out_proj", torch.cat([one @ value for one, value in zip(weights, values)], dim=1))


def nonlin_attention(w, x, weights):
    s, v, y = linear(w, "in_proj", x).chunk(3, dim=1)
    return linear(w, "out_proj", weights[0] @ (s.tanh() * v) * y)


def feed_forward(w, x):
    return linear(w, "out_proj", swoosh_l(linear(w, "in_proj", x)))


def convolve(weight, bias, x):
    """Each channel with its own taps, (T, D) and (D, 1, K) to (T - K + 1, D)."""
    return F.conv1d(x.T[None], weight, bias, groups=x.size(1))[0].T


def chunk_causal(w, x, chunk):
    """A causal convolution, and one of each chunk by itself whose output is scaled near the edges of the chunk."""
    T, D = x.shape
    chunk = T if chunk < 0 else chunk
    taps = w["chunkwise_conv.weight"].size(2)
    past = F.pad(x, (0, 0, taps // 2, 0))
    y = convolve(w["causal_conv.weight"], w["causal_conv.bias"], past)
    left, right = w["chunkwise_conv_scale"]  # (D, taps) each
    scale = torch.ones(chunk, D, dtype=torch.float64)
    for k in range(min(taps, chunk)):
        scale[k] += left[:, k]
        scale[chunk - 1 - k] += right[:, taps - 1 - k]
    for start in range(0, T, chunk):
        own = x[start : start + chunk]
        around = F.pad(own, (0, 0, taps // 2, taps // 2))
        inner = convolve(w["chunkwise_conv.weight"], w["chunkwise_conv.bias"], around)
        y[start : start + chunk] += scale[: len(own)] * inner
    return y


def convolution(w, x, chunk):
    x, gate = linear(w, "in_proj", x).chunk(2, dim=1)
    x = x * gate.sigmoid()
    if "depthwise_conv.weight" in w:
        around = w["depthwise_conv.weight"].size(2) // 2
        x = convolve(w["depthwise_conv.weight"], w["depthwise_conv.bias"], F.pad(x, (0, 0, around, around)))
    else:
        x = chunk_causal(part(w, "depthwise_conv"), x, chunk)
    return linear(w, "out_proj", swoosh_r(x))


def layer(w, x0, heads, shared, mask, chunk):
    sizes = shared["query_head_dim"], shared["pos_head_dim"], shared["pos_dim"]
    weights = attention_weights(part(w, "self_attn_weights"), x0, heads, *sizes, mask)
    x = x0 + feed_forward(part(w, "feed_forward1"), x0)
    x = x + nonlin_attention(part(w, "nonlin_attention"), x, weights)
    x = x + self_attention(part(w, "self_attn1"), x, weights)
    x = x + convolution(part(w, "conv_module1"), x, chunk)
    x = x + feed_forward(part(w, "feed_forward2"), x)
    x = bypass(w["bypass_mid.bypass_scale"], x0, x)
    x = x + self_attention(part(w, "self_attn2"), x, weights)
    x = x + convolution(part(w, "conv_module2"), x, chunk)
    x = x + feed_forward(part(w, "feed_forward3"), x)
    return bypass(w["bypass.bypass_scale"], x0, bias_norm(part(w, "norm"), x))


def downsample(w, x):
    """Weighted mean of each group of frames; the last frame stands for those that its group lacks."""
    shares = w["bias"].softmax(0)
    frames = []
    for start in range(0, len(x), len(shares)):
        group = [x[min(start + k, len(x) - 1)] for k in range(len(shares))]
        frames.append(sum(share * frame for share, frame in zip(shares, group)))
    return torch.stack(frames)


def chunk_mask(T, chunk, left_chunks):
    """Which keys a query may see, (T, T): its chunk and so many before it; negative numbers are no limit."""
    chunks = torch.arange(T) // chunk if chunk > 0 else torch.zeros(T, dtype=torch.long)
    back = chunks[:, None] - chunks
    return (back >= 0) & (back <= (left_chunks if left_chunks >= 0 else T))


def stack(w, x, factor, layers, heads, shared, chunk, left_chunks):
    if factor > 1:
        inner = downsample(part(w, "downsample"), x)
        chunk = chunk // factor if chunk > 0 else chunk
        y = stack(part(w, "encoder"), inner, 1, layers, heads, shared, chunk, left_chunks)
        y = y.repeat_interleave(factor, dim=0)[: len(x)]
        return bypass(w["out_combiner.bypass_scale"], x, y)
    mask = chunk_mask(len(x), chunk, left_chunks)
    for number in range(layers):
        x = layer(part(w, f"layers.{number}"), x, heads, shared, mask, chunk)
    return x


def full_dim(outputs):
    """The last stack's channels, and those beyond of the nearest stack before it that has more."""
    x = outputs[-1]
    for output in reversed(outputs[:-1]):
        x = torch.cat([x, output[:, x.size(1) :]], dim=1)
    return x


def encode(w, x, sizes, shared, chunk=-1, left=-1):
    """Stacks of one encoder.

    Args:
        w: weights of `encoder` or `st_encoder`.
        x: (T, D) at 50 Hz.
        sizes: of its stacks, as in the files beside golden tensors.
        shared: sizes that are the same for all stacks.
        chunk: frames at 50 Hz, -1 for all.
        left: frames before the chunk, at least a chunk; -1 for all.

    Returns:
        Output of the last stack (T, D'), and all channels after the output's downsampling (T', D'').
    """
    left_chunks = max(left // chunk, 1) if chunk > 0 and left >= 0 else -1
    outputs, x = [], x.double()
    for i, dim in enumerate(sizes["encoder_dim"]):
        x = F.pad(x[:, :dim], (0, max(0, dim - x.size(1))))
        factor, layers, heads = (sizes[key][i] for key in ("downsampling_factor", "num_encoder_layers", "num_heads"))
        x = stack(part(w, f"encoders.{i}"), x, factor, layers, heads, shared, chunk, left_chunks)
        outputs.append(x)
    return x, downsample(part(w, "downsample_output"), full_dim(outputs))
