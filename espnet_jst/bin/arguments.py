"""What the programs share: `--config` files, flags that are refused with a reason, errors without a traceback."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from espnet_jst.compat import silence_others
from espnet_jst.config import check_keys, options_of, read_yaml
from espnet_jst.errors import ConfigError, JSTError
from espnet_jst.plain_yaml import parse

N = TypeVar("N", int, float)
MODEL_HELP = "packed zip, folder, hub tag owner/name@revision, or a name that espnet-jst models lists"
ENCODERS = ("encoder", "hier_encoder")  # of a chain; which of them a model has is seen when it is loaded


def lane_values(text: str) -> float | dict[str, Any]:
    """A number for all lanes, "0.5", or one for some, "transcript=0,translation=1.5", or YAML for what adapts,
    "{translation: {kind: length}}".
    """
    if text.lstrip().startswith("{"):
        try:
            return parse(text, "the value")
        except ConfigError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
    return _values(text, float, "translation=1.5")


def penalty_text(penalty: Mapping[str, Any]) -> str:
    """A penalty by lane as text for a signature: "transcript=0,translation=length(ratio=1.1)"."""

    def text(value: Any) -> str:
        if not isinstance(value, Mapping):
            return f"{value:g}"
        keys = [f"{key}={entry}" for key, entry in value.items() if key != "kind"]
        return f"{value['kind']}({','.join(keys)})" if keys else str(value["kind"])

    return ",".join(f"{lane}={text(value)}" for lane, value in penalty.items())


def encoder_values(text: str) -> int | dict[str, int]:
    """A number for the first encoder, "8", or one for some, "encoder=8,hier_encoder=4"."""
    values = _values(text, int, "encoder=8,hier_encoder=4")
    for name in values if isinstance(values, dict) else ():
        if name not in ENCODERS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of the encoders {' and '.join(ENCODERS)}")
    return values


def _values(text: str, number: Callable[[str], N], example: str) -> N | dict[str, N]:
    try:
        if "=" not in text:
            return number(text)
        return {name.strip(): number(value) for name, value in (part.split("=") for part in text.split(","))}
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor like {example}") from None


def parse_with_config(parser: argparse.ArgumentParser, cmd: Sequence[str] | None) -> argparse.Namespace:
    """Parse; a YAML file given as `--config` holds flags, and the command line wins over it.

    Raises:
        ConfigError: the file cannot be read, or holds a key that is not a flag.
    """
    parser.add_argument("--config", help="YAML file with any of these flags; the command line wins")
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--config")
    path = first.parse_known_args(cmd)[0].config
    if path:
        actions = {action.dest: action for action in options_of(parser) if action.dest not in ("help", "config")}
        values = read_yaml(path)
        check_keys(values, actions, str(path))
        for key, value in values.items():
            actions[key].required = False
            is_text = isinstance(value, (str, int, float)) and not isinstance(value, bool)
            # argparse converts defaults that are text as it converts the command line.
            parser.set_defaults(**{key: str(value) if is_text and actions[key].type else value})
    return parser.parse_args(cmd)


def add_refused(parser: argparse.ArgumentParser, flags: Mapping[str, str]) -> None:
    """Accept flags that another program has and this one does not use, so that they can be refused with a reason."""
    for flag in flags:
        parser.add_argument(f"--{flag}", default=None, help=argparse.SUPPRESS)


def check_refused(args: argparse.Namespace, flags: Mapping[str, str], neutral: Sequence[str]) -> None:
    """Refuse such a flag where it was given a value that would matter.

    Raises:
        ConfigError: names the flag and what to use instead.
    """
    for flag, instead in flags.items():
        value = getattr(args, flag)
        if value is not None and str(value).lower() not in neutral:
            raise ConfigError(f"--{flag} {value}: not used here; {instead}")


def program(
    get_parser: Callable[[], argparse.ArgumentParser], run: Callable[[argparse.Namespace], int | None]
) -> Callable[..., int]:
    """The `main` of a program: it parses a command line (that of the process by default) and gives the exit status."""

    def main(cmd: Sequence[str] | None = None) -> int:
        args = get_parser().parse_args(cmd)
        return run_main(lambda: run(args))

    return main


def run_main(body: Callable[[], int | None]) -> int:
    """Run a program; an error that the package raised on purpose is one line on stderr and exit status 1.

    A reader of standard output that goes away, as `head` does, ends it without a word, with the status of SIGPIPE.
    """
    _open_closed()
    silence_others()
    try:
        status = body() or 0
        if sys.stdout is not None:
            try:
                sys.stdout.flush()
            except BrokenPipeError:
                raise
            except OSError as error:
                raise JSTError(f"standard output cannot be written ({error.strerror})") from error
        return status
    except BrokenPipeError:
        _forget_output()
        return 128 + 13
    except JSTError as error:
        from espnet_jst.data.kaldi import printable

        print("error: " + "\n".join(map(printable, str(error).split("\n"))), file=sys.stderr)
        try:
            if sys.stdout is not None:
                sys.stdout.flush()
        except OSError:
            _forget_output()
        return 1
    except KeyboardInterrupt:
        return 130


def _open_closed() -> None:
    """A file that is opened later must not take the number of a closed standard stream, to which libraries write."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:  # print would take standard output instead
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115


def _forget_output() -> None:
    """Python flushes standard output once more at its end, and would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
