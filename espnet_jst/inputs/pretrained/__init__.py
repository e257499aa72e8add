"""Encoders that somebody else has trained, as what feeds a model: WavLM, HuBERT, wav2vec 2.0, Whisper."""
