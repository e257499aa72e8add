"""Where shards and programs run: processes of this machine, Dask workers, jobs of a cluster."""
