"""Two one-directional alignments into one (Koehn, Och and Marcu 2003)."""

from __future__ import annotations

from collections.abc import Callable

from espnet_jst.text.links import Link

_NEIGHBOURS = ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))


def grow_diag_final_and(forward: set[Link], reverse: set[Link]) -> set[Link]:
    """The intersection, grown along neighbours in the union, then links between words that are both still free.

    Args:
        forward: links (source, target) of the model that gives each target word one source word.
        reverse: links (source, target) of the model that gives each source word one target word.
    """
    links = forward & reverse
    union = forward | reverse
    sources = {i for i, _ in links}
    targets = {j for _, j in links}

    def add(i: int, j: int) -> None:
        links.add((i, j))
        sources.add(i)
        targets.add(j)

    todo = sorted(links) if len(union) > len(links) else []
    while todo:
        grown: list[Link] = []
        for i, j in todo:
            for di, dj in _NEIGHBOURS:
                link = (i + di, j + dj)
                if link in union and link not in links and (link[0] not in sources or link[1] not in targets):
                    add(*link)
                    grown.append(link)
        todo = grown
    for direction in (forward, reverse):
        for i, j in sorted(direction - links):
            if i not in sources and j not in targets:
                add(i, j)
    return links


SYMMETRIZATIONS: dict[str, Callable[[set[Link], set[Link]], set[Link]]] = {
    "grow-diag-final-and": grow_diag_final_and,
    "intersect": lambda forward, reverse: forward & reverse,
    "forward": lambda forward, reverse: forward,
    "reverse": lambda forward, reverse: reverse,
}
