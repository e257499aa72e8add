"""The configuration of the searches: which heads are searched, and which search is the second pass of another."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from espnet_jst.config import check_choice
from espnet_jst.errors import ConfigError
from espnet_jst.heads.spec import HeadSpec
from espnet_jst.keys import Conf, key, read, read_table, required

WHERE = "model_conf.searches"
SEARCHED = ("transducer", "attention")  # by themselves; a CTC head where it is named, or where there is nothing else


@dataclass(frozen=True, kw_only=True)
class SearchSpec(Conf):
    """One entry of `model_conf.searches`; `name` is its key, by default that of the head."""

    name: str
    heads: tuple[str, ...] = required(
        "the head that it searches: a transducer, a CTC head, or an attention decoder, and with that a CTC head of the "
        "same labels"
    )
    second_pass_of: str | None = key(None, "search whose words this one's replace, where both write a lane")
    rescores: bool = key(False, "write nothing, but choose among the sequences of that search, which needs a beam")
    share: float = key(0.5, "of this pass in the score of a sequence that it rescores", low=0, high=1)

    @property
    def searched(self) -> str:
        """The head whose labels it writes."""
        return self.heads[0]

    @property
    def ctc(self) -> str | None:
        """The CTC head that takes part."""
        return self.heads[1] if len(self.heads) > 1 else None

    def lanes(self, specs: Mapping[str, HeadSpec]) -> tuple[str, ...]:
        """The lanes that it writes."""
        return specs[self.searched].lanes


def parse_searches(
    specs: Mapping[str, HeadSpec],
    conf: Mapping[str, Any] | None = None,
    only: Sequence[str] | None = None,
    *,
    rescore: bool = False,
) -> dict[str, SearchSpec]:
    """The searches of a model, first passes first; without `model_conf.searches` every transducer and every attention
    decoder is searched, this with the CTC head of its labels that reads most of what it reads. A model that has neither
    writes every lane with the CTC head of it that hears most.

    Args:
        specs: the heads.
        conf: `model_conf.searches`; a second pass may name a head that has no entry.
        only: heads to search, instead of all.
        rescore: every second pass rescores, whatever its entry says.

    Returns:
        Searches by name; none where no head can be searched.

    Raises:
        ConfigError: an entry cannot be used, a head has no search, or two searches would write the same lane.
    """
    searchable, unnamed = [name for name, spec in specs.items() if spec.kind in (*SEARCHED, "ctc")], _unnamed(specs)
    searches = read_table(conf, WHERE, lambda name, entry, where: _parsed(name, entry, where, specs, searchable))
    firsts = [search.second_pass_of for search in searches.values() if search.second_pass_of in searchable]
    for name in firsts if searches else unnamed:
        searches.setdefault(str(name), _search_of(str(name), specs))
    if only:
        searches = _chosen(searches, only, searchable, specs)
    if rescore:
        if not any(search.second_pass_of for search in searches.values()):
            raise ConfigError(f"rescore: no search is a second pass, name one in {WHERE} (second_pass_of)")
        searches = {name: replace(one, rescores=one.second_pass_of is not None) for name, one in searches.items()}
    for search in searches.values():
        _check_second_pass(search, searches, specs, searchable)
    _check_lanes(searches, specs)
    return dict(sorted(searches.items(), key=lambda item: item[1].second_pass_of is not None))


def _unnamed(specs: Mapping[str, HeadSpec]) -> list[str]:
    """The heads that are searched where the configuration names none."""
    found = [name for name, spec in specs.items() if spec.kind in SEARCHED]
    if found:
        return found
    ctc = sorted(
        (name for name, spec in specs.items() if spec.kind == "ctc"),
        key=lambda name: specs[name].reads.startswith("hier_encoder"),
    )
    return [*{specs[name].lanes: name for name in ctc}.values()]


def _parsed(
    name: str, entry: Mapping, where: str, specs: Mapping[str, HeadSpec], searchable: Sequence[str]
) -> SearchSpec:
    spec = read(SearchSpec, entry, where, name=name)
    for head in spec.heads:
        check_choice(head, specs, f"{where}.heads")
    if not spec.heads:
        raise ConfigError(f"{where}.heads names none: give {' or '.join(searchable)}")
    head, kind = spec.searched, specs[spec.searched].kind
    if head not in searchable:
        named = f": name {' or '.join(searchable)}" if searchable else ""
        raise ConfigError(f"{where}: head {head!r} is of the kind {kind}, which has no search{named}")
    if kind != "attention" and len(spec.heads) != 1:
        raise ConfigError(f"{where}.heads must name one {kind} head, not {list(spec.heads)}")
    for other in spec.heads[1:]:
        if len(spec.heads) > 2 or specs[other].kind != "ctc" or specs[other].writes != specs[head].writes:
            raise ConfigError(
                f"{where}.heads: beside the attention decoder {head!r} there may be one CTC head that writes the same "
                f"labels, not {', '.join(spec.heads[1:])}"
            )
    return spec


def _search_of(head: str, specs: Mapping[str, HeadSpec]) -> SearchSpec:
    """The search of a head that has no entry."""
    if specs[head].kind != "attention":
        return SearchSpec(name=head, heads=(head,))
    same = [name for name, spec in specs.items() if spec.kind == "ctc" and spec.writes == specs[head].writes]
    # That of the same tap; else the highest one, which hears most.
    same.sort(key=lambda name: (specs[name].reads == specs[head].reads, specs[name].reads.startswith("hier_encoder")))
    return SearchSpec(name=head, heads=(head, *same[-1:]))


def _chosen(
    searches: Mapping[str, SearchSpec], only: Sequence[str], searchable: Sequence[str], specs: Mapping[str, HeadSpec]
) -> dict[str, SearchSpec]:
    """The searches of some heads, in their order; one whose first pass is left out replaces nothing."""
    for head in only:
        check_choice(head, searchable, "search_heads")
    found = {}
    for head in only:
        own = [search for search in searches.values() if search.searched == head]
        found.update({search.name: search for search in own or [_search_of(head, specs)]})
    return {
        name: search if search.second_pass_of in found else replace(search, second_pass_of=None, rescores=False)
        for name, search in found.items()
    }


def _check_second_pass(
    search: SearchSpec, searches: Mapping[str, SearchSpec], specs: Mapping[str, HeadSpec], searchable: Sequence[str]
) -> None:
    where = f"{WHERE}.{search.name}"
    if search.second_pass_of is None:
        if search.rescores:
            raise ConfigError(f"{where}.rescores: name the search whose sequences it chooses among (second_pass_of)")
        return
    others = {*searches, *searchable} - {search.name, *search.heads}
    check_choice(search.second_pass_of, others, f"{where}.second_pass_of")
    first = searches[search.second_pass_of]
    if first.second_pass_of is not None:
        raise ConfigError(f"{where}: {first.name!r} is a second pass itself; name the search that it follows")
    if not set(first.lanes(specs)) & set(search.lanes(specs)):
        raise ConfigError(f"{where} writes none of the lanes of {first.name!r}, so it cannot be its second pass")
    if search.rescores and specs[search.searched].writes != specs[first.searched].writes:
        raise ConfigError(f"{where}.rescores: {search.searched!r} does not write the labels of {first.searched!r}")


def _check_lanes(searches: Mapping[str, SearchSpec], specs: Mapping[str, HeadSpec]) -> None:
    for one, other in itertools.combinations(searches.values(), 2):
        shared = [lane for lane in other.lanes(specs) if lane in one.lanes(specs)]
        if shared and one.name != other.second_pass_of and other.name != one.second_pass_of:
            if specs[one.searched].reads.startswith("hier_encoder"):  # the later encoder hears more
                one, other = other, one
            fix = f"two_pass: {{heads: [{other.searched}], second_pass_of: {one.name}}}"
            raise ConfigError(
                f"the searches {one.name!r} and {other.name!r} would both write the lane {' and '.join(shared)}: name "
                f"one the second pass of the other ({WHERE}: {{{fix}}}), or search some heads only (search_heads: "
                f"[{other.searched}])"
            )
