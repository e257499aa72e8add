"""ESPnet's trainer made safe, with a time budget, a curriculum and schedules that know their end."""
