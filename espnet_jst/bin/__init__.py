"""Command lines: argument parsing only. Each `--help` answers without importing torch or ESPnet."""
