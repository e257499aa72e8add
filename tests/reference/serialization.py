"""Serialization by the letter of its definition: slow, and written without the code under test."""

from __future__ import annotations

from decimal import Decimal


def compress(entries):
    """[(tag, word)] -> words with a tag at each change."""
    out, current = [], None
    for tag, word in entries:
        if tag != current:
            out.append(tag)
            current = tag
        out.append(word)
    return out


def inter(source, target, gamma):
    gamma = Decimal(str(gamma))
    entries, ca, cs = [], 0, 0
    while ca < len(source) or cs < len(target):
        if ca == len(source):
            asr = False
        elif cs == len(target):
            asr = True
        else:
            asr = gamma < 1 and (1 - gamma) * (1 + cs) >= gamma * (1 + ca)
        if asr:
            entries.append(("<asr>", source[ca]))
            ca += 1
        else:
            entries.append(("<st>", target[cs]))
            cs += 1
    return compress(entries)


def block(source, target, links):
    """Group, merge, emit each group: source part, then target part."""
    groups = []
    for i in range(len(source)):
        linked = [j for a, j in links if a == i]
        if not linked:
            continue
        groups.append([i, i, min(linked), max(linked)])
        while len(groups) > 1 and groups[-2][3] >= groups[-1][2]:
            b, a = groups.pop(), groups.pop()
            groups.append([a[0], b[1], min(a[2], b[2]), max(a[3], b[3])])
    entries, s, t = [], 0, 0
    for index, (_, i_high, _, _) in enumerate(groups):
        entries += [("<asr>", word) for word in source[s : i_high + 1]]
        s = i_high + 1
        t_next = groups[index + 1][2] if index + 1 < len(groups) else len(target)
        entries += [("<st>", word) for word in target[t:t_next]]
        t = t_next
    entries += [("<asr>", word) for word in source[s:]]
    entries += [("<st>", word) for word in target[t:]]
    return compress(entries)


def time(source, target, links, ends):
    """Sort by (time, rank, index) after a running maximum on both lanes."""
    latest, source_times = float("-inf"), []
    for end in ends:
        latest = max(latest, end)
        source_times.append(latest)
    raw = []
    for j in range(len(target)):
        times = [source_times[i] for i, b in links if b == j]
        raw.append(max(times) if times else None)
    first = next((value for value in raw if value is not None), max(source_times, default=0.0))
    latest, target_times = first, []
    for value in raw:
        latest = latest if value is None else max(latest, value)
        target_times.append(latest)
    entries = [(t, 0, i, "<asr>", source[i]) for i, t in enumerate(source_times)]
    entries += [(t, 1, j, "<st>", target[j]) for j, t in enumerate(target_times)]
    return compress([entry[3:] for entry in sorted(entries)])
