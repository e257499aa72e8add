"""The test vectors of joint serialized output training, worked out by hand (arXiv:2307.03354)."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest

from espnet_jst.errors import ConfigError, DataError
from espnet_jst.text import deserialize, serialize, serialize_streams
from espnet_jst.text.serialize import Target, deserialize_streams, monotone_ends, serialize_targets


def words(text):
    return text.split()


def links(text):
    return {tuple(int(x) for x in pair.split("-")) for pair in text.split()}


V1 = (
    "Mi chiamo Sara e vivo a Trento .",
    "My name is Sara and I live in Trento .",
    "0-0 1-1 1-2 2-3 3-4 4-6 5-7 6-8 7-9",
    [0.3, 0.7, 1.1, 1.3, 1.8, 1.9, 2.5, 2.5],
)
V1_ALIGN = (
    "<asr> Mi <st> My <asr> chiamo <st> name is <asr> Sara <st> Sara <asr> e <st> and I <asr> vivo <st> live "
    "<asr> a <st> in <asr> Trento <st> Trento <asr> . <st> ."
)
V2 = (
    "Ich habe gestern ein neues Auto gekauft",
    "Yesterday I bought a new car",
    "0-1 1-2 2-0 3-3 4-4 5-5 6-2",
    [0.2, 0.5, 1.0, 1.2, 1.6, 2.1, 2.7],
)
V2_EAGER = "<asr> Ich habe gestern <st> Yesterday I <asr> ein neues Auto gekauft <st> bought a new car"
V3 = (
    "Pues la casa blanca de mi hermano está vacía",
    "My brother 's white house is now empty",
    "2-4 3-3 4-2 5-0 6-1 7-5 8-7",
    [0.3, 0.4, 0.8, 1.3, 1.4, 1.6, 2.1, 2.4, 3.0],
)
V3_EAGER = (
    "<asr> Pues la casa blanca de mi <st> My <asr> hermano <st> brother 's white house <asr> está <st> is now "
    "<asr> vacía <st> empty"
)
V4 = ("er rief seine Mutter heute an", "he called his mother today", "0-0 1-1 5-1 2-2 3-3 4-4", [1, 2, 3, 4, 5, 6])
V4_ALIGN = "<asr> er <st> he <asr> rief seine Mutter heute an <st> called his mother today"
V5 = ("ja genau", "yes exactly", "", [0.5, 1.0])
V5_CONCAT = "<asr> ja genau <st> yes exactly"

INTER = [
    (V1, 0.0, "<asr> Mi chiamo Sara e vivo a Trento . <st> My name is Sara and I live in Trento ."),
    (
        V1,
        0.3,
        "<asr> Mi chiamo <st> My <asr> Sara e <st> name <asr> vivo a Trento <st> is <asr> . "
        "<st> Sara and I live in Trento .",
    ),
    (
        V1,
        0.5,
        "<asr> Mi <st> My <asr> chiamo <st> name <asr> Sara <st> is <asr> e <st> Sara <asr> vivo <st> and <asr> a "
        "<st> I <asr> Trento <st> live <asr> . <st> in Trento .",
    ),
    (V1, 1.0, "<st> My name is Sara and I live in Trento . <asr> Mi chiamo Sara e vivo a Trento ."),
    (
        V2,
        0.3,
        "<asr> Ich habe <st> Yesterday <asr> gestern ein <st> I <asr> neues Auto gekauft <st> bought a new car",
    ),
    (
        V2,
        0.5,
        "<asr> Ich <st> Yesterday <asr> habe <st> I <asr> gestern <st> bought <asr> ein <st> a <asr> neues <st> new "
        "<asr> Auto <st> car <asr> gekauft",
    ),
    (
        V3,
        0.3,
        "<asr> Pues la <st> My <asr> casa blanca <st> brother <asr> de mi hermano <st> 's <asr> está vacía "
        "<st> white house is now empty",
    ),
    (V5, 0.0, V5_CONCAT),
]
ALIGNED = [
    (V1, "align", V1_ALIGN),
    (V1, "eager", V1_ALIGN),
    (
        V1,
        "time",
        "<asr> Mi <st> My <asr> chiamo <st> name is <asr> Sara <st> Sara <asr> e <st> and I <asr> vivo <st> live "
        "<asr> a <st> in <asr> Trento . <st> Trento .",
    ),
    (V2, "align", "<asr> Ich habe gestern ein neues Auto gekauft <st> Yesterday I bought a new car"),
    (V2, "eager", V2_EAGER),
    (V2, "time", V2_EAGER),
    (
        V3,
        "align",
        "<asr> Pues la casa blanca de mi hermano <st> My brother 's white house <asr> está <st> is now "
        "<asr> vacía <st> empty",
    ),
    (V3, "eager", V3_EAGER),
    (V3, "time", V3_EAGER),
    (V4, "align", V4_ALIGN),
    (V4, "time", V4_ALIGN),
    (V5, "align", V5_CONCAT),
    (V5, "time", V5_CONCAT),
]


@pytest.mark.parametrize(("vector", "gamma", "expected"), INTER)
def test_inter_gamma_gives_the_vector(vector, gamma, expected):
    source, target, _, _ = vector
    assert " ".join(serialize(source.split(), target.split(), set(), policy="inter", gamma=gamma)) == expected


@pytest.mark.parametrize(("vector", "policy", "expected"), ALIGNED)
def test_aligned_policies_give_the_vector(vector, policy, expected):
    source, target, alignment, ends = vector
    serialized = serialize(source.split(), target.split(), links(alignment), policy=policy, ends_s=ends)
    assert " ".join(serialized) == expected


def test_gamma_is_an_exact_fraction_however_it_is_written():
    pair = [f"s{i}" for i in range(40)], [f"t{j}" for j in range(40)]
    as_float = serialize(*pair, set(), policy="inter", gamma=0.3)
    assert as_float == serialize(*pair, set(), policy="inter", gamma=Fraction(3, 10))


@pytest.mark.parametrize("gamma", [-0.1, 1.5, float("nan"), "half"])
def test_a_gamma_outside_of_the_unit_interval_is_refused(gamma):
    with pytest.raises(ConfigError, match="gamma"):
        serialize(["a"], ["b"], set(), policy="inter", gamma=gamma)


def test_an_unknown_policy_names_the_closest_one():
    with pytest.raises(ConfigError, match="did you mean 'align'"):
        serialize(["a"], ["b"], set(), policy="aling")


def test_a_long_block_is_written_eagerly():
    source, target, alignment, _ = V2
    args = (source.split(), target.split(), links(alignment))
    counts = Counter()
    assert " ".join(serialize(*args, max_block_words=6, counts=counts)) == V2_EAGER
    assert counts["blocks_over_limit"] == 1
    assert serialize(*args, max_block_words=7) == serialize(*args)


def test_only_the_block_over_the_limit_is_written_eagerly():
    source, target = words("a b c d e f g"), words("B A C F G E D")
    alignment = links("0-1 1-0 2-2 3-6 4-5 5-3 6-4")
    assert " ".join(serialize(source, target, alignment, max_block_words=2)) == (
        "<asr> a b <st> B A <asr> c <st> C <asr> d e f <st> F <asr> g <st> G E D"
    )


def test_links_out_of_range_are_dropped_with_a_warning(caplog):
    counts = Counter()
    out = serialize(["a", "b"], ["A", "B"], {(0, 0), (1, 1), (2, 0), (0, -1)}, counts=counts)
    assert out == words("<asr> a <st> A <asr> b <st> B")
    assert counts["links_out_of_range"] == 2
    assert "0--1" in caplog.text and "2 source and 2 target" in caplog.text


def test_links_out_of_range_are_an_error_when_strict():
    with pytest.raises(DataError, match="2-0"):
        serialize(["a", "b"], ["A", "B"], {(2, 0)}, strict=True)


def test_a_word_linked_to_a_punctuation_mark_does_not_merge_the_sentence():
    source, target = words("ja , gut ."), words("yes , good .")
    clean = links("0-0 1-1 2-2 3-3")
    counts = Counter()
    assert serialize(source, target, clean | {(0, 3)}, counts=counts) == serialize(source, target, clean)
    assert counts["punctuation_links"] == 1
    merged = serialize(source, target, clean | {(0, 3)}, punctuation_rule=False)
    assert " ".join(merged) == "<asr> ja , gut . <st> yes , good ."


def test_the_closing_mark_is_tied_to_no_mark_inside_the_sentence():
    source, target = words("ja , gut ."), words("yes , good .")
    assert serialize(source, target, links("0-0 1-1 2-2 3-3 3-1")) == serialize(
        source, target, links("0-0 1-1 2-2 3-3")
    )


def test_a_percent_sign_is_a_word():
    out = serialize(words("zehn Prozent"), words("ten %"), links("0-0 1-1"))
    assert " ".join(out) == "<asr> zehn <st> ten <asr> Prozent <st> %"


def test_word_ends_that_run_backwards_are_raised_and_counted():
    counts = Counter()
    out = serialize(
        words("a b c"), words("A B C"), links("0-0 1-1 2-2"), policy="time", ends_s=[1, 0.5, 2], counts=counts
    )
    assert " ".join(out) == "<asr> a b <st> A B <asr> c <st> C"
    assert counts["backward_ends"] == 1
    assert monotone_ends([1, 0.5, 0.7, 2]) == ([1, 1, 1, 2], 2)


@pytest.mark.parametrize("ends", [None, [0.1], [0.1, float("nan")]])
def test_unusable_word_times_are_refused(ends):
    with pytest.raises(DataError):
        serialize(["a", "b"], ["A"], {(0, 0)}, policy="time", ends_s=ends)


@pytest.mark.parametrize("policy", ["align", "eager", "time", "inter"])
def test_an_empty_side_leaves_the_other_as_it_is(policy):
    assert serialize([], ["A", "B"], {(0, 0)}, policy=policy, ends_s=[]) == ["<st>", "A", "B"]
    assert serialize(["a", "b"], [], {(0, 0)}, policy=policy, ends_s=[1, 2]) == ["<asr>", "a", "b"]
    assert serialize([], [], set(), policy=policy, ends_s=[]) == []


def test_a_word_that_is_a_tag_is_refused():
    with pytest.raises(DataError, match="<st>"):
        serialize(["a", "<st>"], ["A"], set())


def test_language_tags_replace_task_tags():
    out = serialize(["ja"], ["yes"], {(0, 0)}, source_tag="<asr:de>", target_tag="<st:en>")
    assert out == ["<asr:de>", "ja", "<st:en>", "yes"]
    assert deserialize(out, source_tag="<asr:de>", target_tag="<st:en>") == (["ja"], ["yes"])


def test_several_languages_come_in_their_fixed_order():
    targets = [Target("<it>", ["ciao", "Sara"], {(0, 0), (1, 1)}), Target("<es>", ["hola", "Sara"], {(0, 0), (1, 1)})]
    out = serialize_targets(["hi", "Sara"], targets, source_tag="<en>")
    assert " ".join(out) == "<en> hi <it> ciao <es> hola <en> Sara <it> Sara <es> Sara"
    assert deserialize_streams(out, ["<en>", "<it>", "<es>"])["<es>"] == ["hola", "Sara"]


def test_speakers_are_streams_with_times():
    streams = [("<1>", ["good", "morning"], [0.4, 1.2]), ("<2>", ["yes", "hello"], [0.9, 1.2])]
    assert " ".join(serialize_streams(streams)) == "<1> good <2> yes <1> morning <2> hello"


def test_two_streams_with_one_tag_are_refused():
    with pytest.raises(ConfigError, match="<1>"):
        serialize_streams([("<1>", ["a"], [1]), ("<1>", ["b"], [2])])


def test_a_stream_without_a_time_for_each_word_is_refused():
    with pytest.raises(DataError, match="2 words and 1 end times"):
        serialize_streams([("<1>", ["a", "b"], [1])])


def test_deserialize_forgives_what_a_model_may_write():
    assert deserialize(words("hallo <asr> <asr> du <st> hello <st> you <asr>")) == (["hallo", "du"], ["hello", "you"])
