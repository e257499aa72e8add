"""From samples to features: what feeds the first encoder."""
