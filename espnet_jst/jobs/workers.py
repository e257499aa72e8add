"""Dask workers for shards: processes of this machine, a running scheduler, or jobs of a cluster."""

from __future__ import annotations

import importlib
import inspect
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from espnet_jst.config import check_choice, check_keys, read_yaml
from espnet_jst.errors import ConfigError

if TYPE_CHECKING:
    from distributed import Client, SpecCluster

CLUSTERS = {
    "SLURMCluster": "dask_jobqueue",
    "PBSCluster": "dask_jobqueue",
    "KubeCluster": "dask_kubernetes.operator",
}
# What these classes take but a file cannot hold: Python objects.
OBJECTS = {"self", "job_cls", "scheduler_cls", "loop", "asynchronous", "scheduler"}
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
DASK_VARIABLES = (*THREADS, "MALLOC_TRIM_THRESHOLD_", "PYTHONHASHSEED")
CONNECT_S = 10.0  # for a running scheduler
WAIT_S = 60.0  # for its first worker


class Workers:
    """A Dask client, made when it is first needed and closed when nothing is to be run for a long time.

    Args:
        scheduler: empty for processes of this machine; tcp://host:port (or tls://) of a running scheduler; or a YAML
            file that names a cluster.

    Attributes:
        environment: variables of this process before Dask. To start local workers it sets more of them here, among
            them one thread for every program, and leaves them.

    Raises:
        ConfigError: the file cannot be used.
    """

    def __init__(self, scheduler: str = "") -> None:
        self.environment = dict(os.environ)
        self.local = not scheduler
        self._address = scheduler if "://" in scheduler else ""
        self._make = read_cluster(Path(scheduler)) if scheduler and not self._address else None
        self._client: Client | None = None
        self._cluster: SpecCluster | None = None
        self._count = 0

    def client(self, nj: int) -> Client:
        """The client of at least `nj` workers, where their number is ours to choose.

        Raises:
            ConfigError: the scheduler does not answer, or has no workers.
        """
        if self._client is None:
            self._client = self._reach() if self._address else self._start()
        if self._cluster is not None and nj > self._count:
            if self.local:
                self._cluster.scale(nj)  # at once; `adapt` looks around first
            # `scale` would not replace a job that ended, nor a local worker that was killed and took long to come back.
            self._cluster.adapt(minimum=nj, maximum=nj)
            self._count = nj
        return self._client

    def close(self) -> None:
        """End the workers that were started here; the next call of `client` starts new ones."""
        client, cluster = self._client, self._cluster
        self._client, self._cluster, self._count = None, None, 0
        if client is not None:
            client.close()
        if cluster is not None:
            cluster.close()
        for name in DASK_VARIABLES:
            if name not in self.environment:
                os.environ.pop(name, None)

    def _reach(self) -> Client:
        from distributed import Client

        try:
            client = Client(self._address, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ConfigError(f"--scheduler {self._address}: no Dask scheduler answers ({error})") from error
        try:
            client.wait_for_workers(1, timeout=WAIT_S)
        except TimeoutError:
            client.close()
            start = f"start some with `dask worker {self._address} --nthreads 1`"
            raise ConfigError(f"--scheduler {self._address}: no worker within {WAIT_S:.0f} s; {start}") from None
        return client

    def _start(self) -> Client:
        from distributed import Client

        self._cluster = self._make() if self._make else local_cluster()
        return Client(self._cluster, set_as_default=False)


_active: ContextVar[Workers | None] = ContextVar("workers", default=None)


@contextmanager
def workers(scheduler: str = "") -> Iterator[Workers]:
    """The workers of a run, closed at its end, also by an error or Ctrl-C; inside of another `workers`, the same."""
    active = _active.get()
    if active is not None:
        yield active
        return
    active = Workers(scheduler)
    token = _active.set(active)
    try:
        yield active
    finally:
        _active.reset(token)
        active.close()


def local_cluster() -> SpecCluster:
    """Processes of this machine, none yet, with one thread each and no port beyond the loopback device."""
    import dask
    from distributed import LocalCluster

    # Dask's sampling of what workers do costs a few percent of a core, and nobody looks at it.
    with dask.config.set({"distributed.worker.profile.enabled": False}):
        cluster = LocalCluster(
            n_workers=0,  # Ctrl-C while the first ones start then finds a cluster to close
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            memory_limit=0,  # none, as for any other process
            # Other users of this machine can reach the loopback device; certificates of this run keep them out.
            security=True if find_spec("cryptography") else None,
            silence_logs=logging.CRITICAL,  # a shard that fails is our message
        )
    logging.getLogger("distributed.nanny").setLevel(logging.WARNING)  # says when it replaces a worker
    return cluster


def read_cluster(path: Path) -> Callable[[], SpecCluster]:
    """What a file like `{cluster: SLURMCluster, arguments: {queue: cpu, cores: 4, memory: 16GB}}` describes.

    Returns:
        A function that makes the cluster.

    Raises:
        ConfigError: no such file, an unknown class or key, or a package that is not installed.
    """
    values = read_yaml(path)
    check_keys(values, ("cluster", "arguments"), str(path))
    name, arguments = str(values.get("cluster")), values.get("arguments") or {}
    check_choice(name, CLUSTERS, f"{path}: cluster")
    if not isinstance(arguments, Mapping):
        raise ConfigError(f"{path}: arguments must map the arguments of {name} to values")
    try:
        cls = getattr(importlib.import_module(CLUSTERS[name]), name)
    except ImportError as error:
        raise ConfigError(f"{path}: {name} needs `pip install 'espnet_jst[cluster]'` ({error})") from error
    check_keys(arguments, _argument_names(cls), f"{path}: arguments")

    def make() -> SpecCluster:
        try:
            return cls(**arguments)
        except (TypeError, ValueError, ImportError) as error:
            raise ConfigError(f"{path}: {name} refuses its arguments: {error}") from error

    return make


def _argument_names(cls: type) -> set[str]:
    """Arguments of a cluster class, and of the job that it passes further arguments to."""
    names: set[str] = set()
    for owner in (*inspect.getmro(getattr(cls, "job_cls", object)), cls):
        if owner is not object:
            names |= set(inspect.signature(owner.__init__).parameters)  # type: ignore[misc]
    return {name for name in names - OBJECTS if not name.endswith("kwargs") and name != "args"}
