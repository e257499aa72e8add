"""Several processes of one training: started on the CPUs of one machine, or by ESPnet, and what they share."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any

import torch
from espnet2.train.distributed_utils import free_port

from espnet_jst.errors import ConfigError, JSTError, TrainingStoppedError


def wanted_processes(args: argparse.Namespace) -> int:
    """How many processes a training on the CPU takes; a GPU and the collection of statistics take no more than one.

    Raises:
        ConfigError: less than one, or beside another way of starting processes.
    """
    if args.cpu_processes < 1:
        raise ConfigError(f"--cpu_processes {args.cpu_processes}: at least 1")
    if args.cpu_processes == 1 or args.ngpu > 0 or args.collect_stats:
        return 1
    if args.dist_world_size is not None or os.environ.get("WORLD_SIZE"):
        raise ConfigError("--cpu_processes starts its own processes: leave out --dist_world_size and WORLD_SIZE")
    return args.cpu_processes


def run_processes(worker: Callable[[argparse.Namespace], None], args: argparse.Namespace) -> None:
    """Run `worker` in `args.cpu_processes` processes that average their gradients over gloo.

    Each takes its share of every batch and of the cores. The first one that fails ends the others.

    Raises:
        JSTError: one of them failed; says why.
    """
    # No environment and no network: the processes meet on the loopback device.
    ours = {
        "distributed": True,
        "multiprocessing_distributed": False,
        "dist_backend": "gloo",
        "dist_launcher": None,
        "dist_init_method": "env://",
        "dist_world_size": args.cpu_processes,
        "dist_master_addr": "localhost",
        "dist_master_port": free_port(),
    }
    started = argparse.Namespace(**{**vars(args), **ours})
    reasons = torch.multiprocessing.get_context("spawn").SimpleQueue()
    try:
        torch.multiprocessing.spawn(_process, (worker, started, reasons), nprocs=args.cpu_processes)
    except torch.multiprocessing.ProcessExitedException as error:
        reason = f"ended with status {error.exit_code}" if reasons.empty() else reasons.get()
        kind = TrainingStoppedError if error.exit_code == TrainingStoppedError.exit_status else JSTError
        raise kind(f"process {error.error_index} of the training: {reason}") from error


def is_distributed() -> bool:
    """Whether this process is one of several."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def is_first() -> bool:
    """Whether this process is the first of several, or alone."""
    return not is_distributed() or torch.distributed.get_rank() == 0


def first_process(value: Any) -> Any:
    """The value of the first process, in all of them."""
    if not is_distributed():
        return value
    values = [value]
    torch.distributed.broadcast_object_list(values, src=0)
    return values[0]


def leave_processes() -> None:
    """End this process's part in a training that is done; gloo's threads would abort an interpreter that just exits."""
    if is_distributed():
        torch.distributed.barrier()  # the first process keeps the store that the others still ask
        torch.distributed.destroy_process_group()


def _process(rank: int, worker: Callable[[argparse.Namespace], None], args: argparse.Namespace, reasons: Any) -> None:
    args.dist_rank = rank
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // args.cpu_processes))
    try:
        worker(args)
    except JSTError as error:
        reasons.put(f"{error}")
        sys.exit(error.exit_status)
