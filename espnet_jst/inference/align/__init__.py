"""Where in the audio a word is."""
