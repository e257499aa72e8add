"""ESPnet tasks: configurations to models, data and training."""
