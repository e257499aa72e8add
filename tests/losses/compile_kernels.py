"""Compile the Triton kernels for GPUs that are not here, and print the shared memory that each program takes.

    python tests/losses/compile_kernels.py '[[90, 512, 4000], ...]'    # compute capability, J, V

A process of its own: in the tests Triton is set to its interpreter, and must be imported without it.
"""

import json
import sys

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from espnet_jst.losses import joint_triton, recursion_triton

FLOATS, LONGS, INTS = "*fp32", "*i64", "*i32"


def shared(kernel, types, constants, options, capability):
    """Bytes of shared memory of one program."""
    names = [parameter.name for parameter in kernel.params]
    signature = {name: "constexpr" if name in constants else types[name] for name in names}
    places = {(names.index(name),): value for name, value in constants.items()}
    source = ASTSource(kernel, signature, places)
    return triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options).metadata.shared


def joint(capability, features, vocab_size, hat, precision):
    """Of both kernels of the joint network."""
    found = {}
    for kernel in (joint_triton._columns_kernel, joint_triton._d_logits_kernel):
        types = {p.name: "i32" if p.name == "N" else LONGS if p.name == "labels_ptr" else FLOATS for p in kernel.params}
        constants = {"V": vocab_size, "J": features, "BLANK": 0, "FACTORIZED": hat, "PRECISION": precision}
        constants |= joint_triton.BLOCKS
        found[kernel.__name__] = shared(kernel, types, constants, joint_triton.OPTIONS, capability)
    return found


def recursion(capability, rows):
    """Of the recursion over a band."""
    kernel, options = recursion_triton._occupation_kernel, recursion_triton.options(rows)
    integers = {"first_ptr": INTS, "frames_ptr": INTS, "labels_ptr": INTS, "T": "i32"}
    doubles = dict.fromkeys(("loss_ptr", "alpha_ptr", "beta_ptr"), "*fp64")
    types = {p.name: {**integers, **doubles}.get(p.name, FLOATS) for p in kernel.params}
    constants = {name: options.pop(name) for name in ("R", "BLOCK_R")}
    return {kernel.__name__: shared(kernel, types, constants, options, capability)}


if __name__ == "__main__":
    for capability, *sizes in json.loads(sys.argv[1]):
        of_sizes = joint(capability, *sizes) if len(sizes) > 1 else recursion(capability, *sizes)
        for name, size in of_sizes.items():
            print(json.dumps([capability, sizes, name, size]), flush=True)
