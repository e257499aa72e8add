"""Names and shapes of the weights of a released HENT-SRT checkpoint of any size, and random ones."""

import torch


def linear(name, out, size, bias=True):
    return {f"{name}.weight": (out, size)} | ({f"{name}.bias": (out,)} if bias else {})


def conv(name, out, *rest):
    return {f"{name}.weight": (out, *rest), f"{name}.bias": (out,)}


def under(name, shapes):
    return {f"{name}.{key}": shape for key, shape in shapes.items()}


def front_end(dim):
    shapes = conv("conv.0", 8, 1, 3, 3) | conv("conv.4", 32, 8, 3, 3) | conv("conv.7", 128, 32, 3, 3)
    shapes |= conv("convnext.depthwise_conv", 128, 1, 7, 7) | conv("convnext.pointwise_conv1", 384, 128, 1, 1)
    shapes |= conv("convnext.pointwise_conv2", 128, 384, 1, 1) | linear("out", dim, 128 * 19)
    return shapes | {"out_norm.bias": (dim,), "out_norm.log_scale": ()}


def layer(dim, feedforward, taps, heads, shared, causal):
    query, few, value = (shared[key] for key in ("query_head_dim", "pos_head_dim", "value_head_dim"))
    shapes = linear("self_attn_weights.in_proj", heads * (2 * query + few), dim)
    shapes |= linear("self_attn_weights.linear_pos", heads * few, shared["pos_dim"], bias=False)
    for i in (1, 2):
        shapes |= linear(f"self_attn{i}.in_proj", heads * value, dim)
        shapes |= linear(f"self_attn{i}.out_proj", dim, heads * value)
        shapes |= linear(f"conv_module{i}.in_proj", 2 * dim, dim) | linear(f"conv_module{i}.out_proj", dim, dim)
        name = f"conv_module{i}.depthwise_conv"
        if causal:
            shapes |= conv(f"{name}.causal_conv", dim, 1, (taps + 1) // 2)
            shapes |= conv(f"{name}.chunkwise_conv", dim, 1, taps) | {f"{name}.chunkwise_conv_scale": (2, dim, taps)}
        else:
            shapes |= conv(name, dim, 1, taps)
    for i, quarters in ((1, 3), (2, 4), (3, 5)):
        hidden = feedforward * quarters // 4
        shapes |= linear(f"feed_forward{i}.in_proj", hidden, dim) | linear(f"feed_forward{i}.out_proj", dim, hidden)
    hidden = dim * 3 // 4
    shapes |= linear("nonlin_attention.in_proj", 3 * hidden, dim) | linear("nonlin_attention.out_proj", dim, hidden)
    shapes |= {"norm.bias": (dim,), "norm.log_scale": ()}
    return shapes | {f"{name}bypass_scale": (dim,) for name in ("", "bypass.", "bypass_mid.")}


def encoder(sizes, shared, output_factor, causal):
    shapes = {"downsample_output.bias": (output_factor,)}
    names = ("encoder_dim", "feedforward_dim", "cnn_module_kernel", "num_heads")
    for i, (factor, layers) in enumerate(zip(sizes["downsampling_factor"], sizes["num_encoder_layers"])):
        one = layer(*(sizes[name][i] for name in names), shared, causal)
        inner = "encoder.layers" if factor > 1 else "layers"
        for number in range(layers):
            shapes |= under(f"encoders.{i}.{inner}.{number}", one)
        if factor > 1:
            shapes |= {f"encoders.{i}.downsample.bias": (factor,)}
            shapes |= {f"encoders.{i}.out_combiner.bypass_scale": (sizes["encoder_dim"][i],)}
    return shapes


def task(prefix, simple, vocabulary, dim, predictor_dim, joiner_dim):
    """Predictor, joiner, simple projections and CTC head of one task."""
    channels = 4  # of a group of the predictor's convolution
    shapes = {f"{prefix}decoder.embedding.weight": (vocabulary, predictor_dim)}
    shapes |= {f"{prefix}decoder.conv.weight": (predictor_dim, channels, 2)}
    shapes |= linear(f"{prefix}joiner.encoder_proj", joiner_dim, dim)
    shapes |= linear(f"{prefix}joiner.decoder_proj", joiner_dim, predictor_dim)
    shapes |= linear(f"{prefix}joiner.output_linear", vocabulary, joiner_dim)
    shapes |= linear(f"{simple}am_proj", vocabulary, dim) | linear(f"{simple}lm_proj", vocabulary, predictor_dim)
    return shapes | linear(f"{prefix}ctc_output.1", vocabulary, dim)


def hent_srt(sizes):
    """Shapes of a whole model by name; `sizes` is as in the files beside the golden tensors."""
    asr, st = sizes["config"]["asr"], sizes["config"]["st"]
    shapes = under("encoder_embed", front_end(asr["encoder_dim"][0]))
    shapes |= under("encoder", encoder(asr, sizes["shared"], sizes["asr_output_downsampling"], sizes["causal"]))
    shapes |= under("st_encoder", encoder(st, sizes["shared"], sizes["st_output_downsampling"], sizes["causal"]))
    rest = sizes["predictor_dim"], sizes["joiner_dim"]
    shapes |= task("", "simple_", sizes["vocab_asr"], max(asr["encoder_dim"]), *rest)
    return shapes | task("st_", "simple_st_", sizes["vocab_st"], max(st["encoder_dim"]), *rest)


def random_weights(shapes, seed):
    """Weights that keep values of order one: scaled matrices, scales near a half, small biases."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in shapes.items():
        noise = torch.randn(shape, generator=generator)
        if name.endswith("bypass_scale"):
            weights[name] = 0.5 + 0.2 * noise
        elif name.endswith("weight") and "embedding" not in name:
            weights[name] = noise * noise[0].numel() ** -0.5
        else:
            weights[name] = noise * (1.0 if "embedding" in name else 0.1)
    return weights
