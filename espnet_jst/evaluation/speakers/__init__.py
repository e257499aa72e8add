"""Scores of who said what: cpWER, ORC-WER, tcpWER, SAgBLEU, SAtBLEU and the accuracy of attribution.

A metric is a line in `scores.SPEAKER_METRICS`; a set has them where its data directory has segments with speakers.
"""
