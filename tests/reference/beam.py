"""Time-synchronous transducer beam search in plain Python: dictionaries, one hypothesis at a time."""

import functools
import math

import torch


def log_add(a, b):
    high, low = max(a, b), min(a, b)
    return high + math.log1p(math.exp(low - high))


def beam_reference(head, x, beam_size, max_symbols, blank_penalty=0.0, bonus=None, final=None):
    """x (T, D) of one utterance -> list of (labels, score), best first.

    blank_penalty is added to every label, and may be a function of the labels so far, of the frame and of the best
    hypothesis among those that are continued; bonus(labels) gives what each next label adds, final(labels) what the end
    adds.
    """

    @functools.cache
    def predict(labels):
        return head.predictor(torch.tensor([labels], dtype=torch.long).view(1, -1))[0, -1]

    def logp(frame, labels, best):
        row = head.joint(x[frame], predict(labels)).log_softmax(-1)
        gain = blank_penalty(labels, frame, best) if callable(blank_penalty) else blank_penalty
        row[torch.arange(len(row)) != head.blank] += gain
        row = row.tolist()
        if bonus is not None:
            row = [p + (b if v != head.blank else 0.0) for v, (p, b) in enumerate(zip(row, bonus(labels)))]
        return row

    beam = {(): 0.0}
    for t in range(len(x)):
        live, done = beam, {}
        for symbol in range(max_symbols + 1):
            best = max(live, key=live.get)
            rows = {labels: logp(t, labels, best) for labels in live}
            for labels, score in live.items():
                score += rows[labels][head.blank]
                done[labels] = log_add(done[labels], score) if labels in done else score
            done = dict(sorted(done.items(), key=lambda item: -item[1])[:beam_size])
            if symbol == max_symbols:
                break
            longer = [
                (score + rows[labels][v], (*labels, v))
                for labels, score in live.items()
                for v in range(head.vocab_size)
                if v != head.blank
            ]
            worst = min(done.values()) if len(done) == beam_size else -math.inf
            live = {labels: score for score, labels in sorted(longer, reverse=True)[:beam_size] if score > worst}
            if not live:
                break
        beam = done
    if final is not None:
        beam = {labels: score + final(labels) for labels, score in beam.items()}
    return sorted(beam.items(), key=lambda item: -item[1])
