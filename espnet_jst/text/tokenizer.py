"""Word-wise tokenization: a tag is one piece, and no piece is spent on the space before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from espnet_jst.config import check_choice
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.text.sentencepiece_model import check_model
from espnet_jst.text.token_list import BLANK, SOS_EOS, SPACE, TOKEN_TYPES, UNK, WORD_START, is_tag, read_tokens
from espnet_jst.text.units import Glued, extends, has_blanks, may_extend, split_units

_CACHE_WORDS, _CACHE_CHARACTERS = 200_000, 50  # a longer run comes once: units of an utterance, a sentence
_MODEL_BYTES = 2**26


class Tokenizer:
    """Words and tags to token ids and back.

    Words are encoded one by one, never as a joined line: SentencePiece would put a word marker before every tag and
    so cost the transducer one useless symbol at each switch.

    Args:
        tokens: ESPnet's order: `<blank>`, `<unk>`, pieces and tags, `<sos/eos>`.
        bpemodel: SentencePiece model, required for "bpe" (which stands for any SentencePiece model) and else unused.
        token_type: "bpe"; "word" (a word is a token); "char" (characters, `<space>` between two words of a lane).

    Raises:
        ConfigError: no `<blank>` first, a token occurs twice, `bpemodel` is missing or does not belong to `tokens`.
    """

    blank_id = 0

    def __init__(self, tokens: Sequence[str], *, bpemodel: str | Path | None = None, token_type: str = "bpe") -> None:
        check_choice(token_type, TOKEN_TYPES, "token_type")
        self.tokens = list(tokens)
        self.token_type = token_type
        self._ids = {token: index for index, token in enumerate(self.tokens)}
        self._check_tokens()
        self.unk_id = self._ids[UNK]
        self._special = {self._ids[name] for name in (BLANK, SOS_EOS) if name in self._ids}
        self._tags = {index for index, token in enumerate(self.tokens) if is_tag(token)}
        self._processor = self._load(bpemodel) if token_type == "bpe" else None
        self._cache: dict[str, list[int]] = {}
        self._complete: dict[str, bool] = {}
        # ESPnet's characters mark the space between two words, not the beginning of a word.
        self.marks_word_starts = token_type != "char"
        words = [i for i in range(len(self.tokens)) if i not in self._tags | self._special | {self.unk_id}]
        self.words_end_themselves = token_type == "word" or (
            token_type == "bpe" and all(self.tokens[index].startswith(WORD_START) for index in words)
        )
        # What could still follow a character of a script without blanks.
        self._marks = sorted({self.tokens[i][0] for i in words if self.tokens[i] and extends("x", self.tokens[i][0])})

    @classmethod
    def load(cls, directory: str | Path, *, token_type: str = "bpe") -> Tokenizer:
        """The tokenizer that `train_tokenizer` wrote into `directory`."""
        directory = Path(directory)
        model = directory / "bpe.model" if token_type == "bpe" else None
        return cls(read_tokens(directory / "tokens.txt"), bpemodel=model, token_type=token_type)

    @property
    def vocab_size(self) -> int:
        """Number of tokens, `<blank>`, `<unk>` and `<sos/eos>` included."""
        return len(self.tokens)

    def encode(self, words: Sequence[str]) -> list[int]:
        """Token ids of words and tags, in order; what the vocabulary lacks becomes `unk_id`.

        Words that are `Glued` (`text.units`) are encoded together with the one before them, so that pieces may span
        several characters; behind a tag they get no word marker.

        Raises:
            DataError: a word is empty or holds white space.
        """
        ids: list[int] = []
        for run, space in self._runs(words):
            if space is not None:
                ids.append(space)
            ids += [self._ids[run[0]]] if self._is_tag_word(run[0]) else self._encode_run(run)
        return ids

    def groups(self, words: Sequence[str]) -> list[tuple[list[int], int]]:
        """Token ids of the words of one lane, by the fewest words that share no token.

        Returns:
            (ids, number of words that they write) of each group: one word, or tag, each, but where a piece spans
            several.
        """
        found: list[tuple[list[int], int]] = []
        for run, _ in self._runs(words):
            if self._is_tag_word(run[0]):
                found.append(([self._ids[run[0]]], 1))
                continue
            self._encode_run(run)  # refuses what is not a word
            pieces, ids, written, wanted = self._run_pieces(run), [], 0, 0
            left = list(run)
            count = 0
            for piece in pieces:
                ids.append(self._id(piece))
                written += len(piece.removeprefix(WORD_START))
                while left and wanted < written:
                    wanted += len(left.pop(0))
                    count += 1
                if written == wanted and count:
                    found.append((ids, count))
                    ids, count = [], 0
            if ids or left:
                found.append((ids, count + len(left)))
        return found

    def unknown(self, words: Sequence[str]) -> list[str]:
        """The pieces of words that the vocabulary lacks, each once."""
        lacking = [word for word in words if self.unk_id in self.encode([word])]
        return list(
            dict.fromkeys(piece for word in lacking for piece in self._pieces(word) if self._id(piece) == self.unk_id)
        )

    def decode(self, ids: Sequence[int]) -> list[str]:
        """Words and tags, in order; `<blank>` and `<sos/eos>` are skipped. A tag ends the word before it.

        A script without blanks gives its characters (`text.units`).
        """
        words: list[str] = []
        open_word = False
        for index in ids:
            if self.is_special(index):
                continue
            if self.is_tag(index):
                words.append(self.tokens[index])
                open_word = False
                continue
            if self.starts_word(index) or not open_word:
                words.append("")
            words[-1] += self.piece_text(index)
            open_word = True
        return [unit for word in words for unit in split_units(word)]

    def is_tag(self, index: int) -> bool:
        """Whether a token has the form `<...>` and is not one of ESPnet's special tokens."""
        return index in self._tags

    def is_special(self, index: int) -> bool:
        """Whether a token stands for nothing in the text: `<blank>`, `<sos/eos>`."""
        return index in self._special

    def starts_word(self, index: int) -> bool:
        """Whether a token begins a new word even when a word is open."""
        token = self.tokens[index]
        return self.words_end_themselves or index in self._tags or token == SPACE or token.startswith(WORD_START)

    def piece_text(self, index: int) -> str:
        """Text that a token adds to its word, without the word marker."""
        token = self.tokens[index]
        return "" if token == SPACE else token.removeprefix(WORD_START)

    def completes(self, unit: str) -> bool:
        """Whether a unit is a character of a script without blanks that no token of the vocabulary could extend."""
        found = self._complete.get(unit)
        if found is None:
            if len(self._complete) >= _CACHE_WORDS:
                self._complete.clear()
            # A letter stands for the tokens that no mark opens: they belong to a unit that ends with a linker.
            found = not has_blanks(unit[0]) and not any(may_extend(unit, mark) for mark in [*self._marks, "x"])
            self._complete[unit] = found
        return found

    def _is_tag_word(self, word: str) -> bool:
        return self._ids.get(word) in self._tags

    def _runs(self, words: Sequence[str]) -> Iterator[tuple[list[str], int | None]]:
        """Words that are encoded together, and the token of the space before them, where characters have one."""
        run: list[str] = []
        in_lane, space = False, None
        for word in words:
            is_tag = self._is_tag_word(word)
            if run and isinstance(word, Glued) and not (is_tag or self.words_end_themselves):
                run.append(word)
                continue
            if run:
                yield run, space
            if is_tag:
                yield [word], None
                run, in_lane = [], False
                continue
            glued = isinstance(word, Glued)
            space = self._ids.get(SPACE, self.unk_id) if self.token_type == "char" and in_lane and not glued else None
            run, in_lane = [word], True
        if run:
            yield run, space

    def _encode_run(self, run: Sequence[str]) -> list[int]:
        marker = "" if isinstance(run[0], Glued) else WORD_START
        key = marker + "".join(run)
        ids = self._cache.get(key)
        if ids is None:
            wrong = next((word for word in run if word.split() != [word]), None)
            if wrong is not None:
                raise DataError(f"{wrong!r} is not one word: split the text at white space before encoding")
            if len(self._cache) >= _CACHE_WORDS:
                self._cache.clear()
            ids = [self._id(piece) for piece in self._run_pieces(run)]
            if len(key) <= _CACHE_CHARACTERS:
                self._cache[key] = ids
        return ids

    def _run_pieces(self, run: Sequence[str]) -> list[str]:
        pieces = self._pieces("".join(run))
        if self._processor is None or self.words_end_themselves or not isinstance(run[0], Glued):
            return pieces
        # SentencePiece marks the beginning of a word; this text goes on with what is before the tag.
        first = pieces[0].removeprefix(WORD_START)
        known = [first] if first in self._ids else list(first)
        return [*known, *pieces[1:]]

    def _pieces(self, word: str) -> list[str]:
        if self._processor is not None:
            return self._processor.encode(word, out_type=str)
        return [word] if self.token_type == "word" else list(word)

    def _id(self, piece: str) -> int:
        index = self._ids.get(piece, self.unk_id)
        # A word that merely contains a tag must not switch the lane.
        return self.unk_id if index in self._tags or index in self._special else index

    def _check_tokens(self) -> None:
        if not self.tokens or self.tokens[0] != BLANK:
            raise ConfigError(f"the token list must begin with {BLANK}: write it with the token stage")
        if len(self._ids) < len(self.tokens):
            twice = next(token for index, token in enumerate(self.tokens) if self._ids[token] != index)
            raise ConfigError(f"token {twice!r} occurs twice in the token list: write it with the token stage")
        if UNK not in self._ids:
            raise ConfigError(f"the token list has no {UNK}: write it with the token stage")

    def _load(self, bpemodel: str | Path | None):
        if bpemodel is None or not Path(bpemodel).is_file():
            raise ConfigError(
                f"token_type bpe needs a SentencePiece model, and bpemodel is {bpemodel}: correct bpemodel"
            )
        import sentencepiece

        try:
            if Path(bpemodel).stat().st_size > _MODEL_BYTES:
                raise ValueError(f"larger than {_MODEL_BYTES} bytes")
            content = Path(bpemodel).read_bytes()
            check_model(content)
            processor = sentencepiece.SentencePieceProcessor(model_proto=content)
            count = processor.get_piece_size()
            pieces = [processor.id_to_piece(i) for i in range(count) if not processor.is_control(i)]
        except (RuntimeError, OSError, ValueError) as error:
            raise ConfigError(f"{bpemodel} is no SentencePiece model ({error}): correct bpemodel") from error
        foreign = [piece for piece in pieces if piece not in self._ids]
        if foreign:
            raise ConfigError(
                f"{bpemodel} has {len(foreign)} pieces that the token list lacks (first: {foreign[0]!r}): "
                "use the model and the token list of one token stage"
            )
        return processor


def find_tokenizer(token_list: str | None, bpemodel: str | None) -> Tokenizer | None:
    """The tokenizer of a token list, of a SentencePiece model, or of both; the one is looked for beside the other.

    Raises:
        ConfigError: the list holds pieces and there is no model.
        DataError: there is no token list.
    """
    if not token_list and not bpemodel:
        return None
    path = Path(token_list) if token_list else Path(str(bpemodel)).parent / "tokens.txt"
    model = Path(bpemodel) if bpemodel else path.parent / "bpe.model"
    tokens = read_tokens(path)
    if bpemodel or model.is_file() or any(token.startswith(WORD_START) for token in tokens):
        return Tokenizer(tokens, bpemodel=model)
    words = [token for token in tokens if len(token) > 1 and not token.startswith("<")]
    return Tokenizer(tokens, token_type="word" if words else "char")
