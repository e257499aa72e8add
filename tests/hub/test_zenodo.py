"""Deposits, against a server on this machine with Zenodo's routes."""

from __future__ import annotations

from pathlib import Path

import pytest

from espnet_jst.errors import ConfigError, UploadError
from espnet_jst.hub import zenodo
from tests.hub.receivers import Zenodo, running

ABOUT = zenodo.metadata(title="A model", creator="Doe, Jo", license="CC-BY-4.0", card="---\na: b\n---\n# A <card>\n")


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    (tmp_path / "st_tiny_valid.zip").write_bytes(bytes(range(256)) * 9000)
    return tmp_path / "st_tiny_valid.zip"


def test_a_deposit_is_a_draft_with_the_file_and_what_it_is_about(pack: Path) -> None:
    with running(Zenodo) as server:
        draft = zenodo.deposit(pack, ABOUT, token="secret", site=server.address)
        assert server.files == {pack.name: pack.read_bytes()}
        assert server.metadata == ABOUT
        assert server.tokens == {"Bearer secret"}
        assert not any("secret" in path or "publish" in path for _, path in server.requests)
        assert draft.page == f"{server.address}/deposit/77"
        assert draft.url == f"{server.address}/record/77/files/st_tiny_valid.zip?download=1"


def test_the_description_is_the_card_without_front_matter_as_plain_text() -> None:
    assert ABOUT["description"] == "<pre># A &lt;card&gt;</pre>"
    assert ABOUT["license"] == "cc-by-4.0"


def test_a_refusal_says_why_and_hides_the_token(pack: Path) -> None:
    with running(Zenodo) as server:
        server.refuse = True
        with pytest.raises(UploadError, match=r"403 .*no right, Bearer \*\*\*") as failure:
            zenodo.deposit(pack, ABOUT, token="secret", site=server.address)
    assert "secret" not in str(failure.value)


def test_other_bytes_at_the_receiver_are_noticed_and_the_draft_is_named(pack: Path) -> None:
    with running(Zenodo) as server:
        server.garble = True
        with pytest.raises(UploadError, match=f"other bytes.*{server.address}/deposit/77"):
            zenodo.deposit(pack, ABOUT, token="secret", site=server.address)


def test_no_server_is_one_message(pack: Path) -> None:
    with running(Zenodo) as server:
        address = server.address
    with pytest.raises(UploadError, match=r"POST http://127.*refused"):
        zenodo.deposit(pack, ABOUT, token="secret", site=address)


@pytest.mark.parametrize("missing", ["creator", "license"])
def test_a_record_needs_a_creator_and_a_licence(missing: str) -> None:
    given = {"creator": "Doe, Jo", "license": "cc-by-4.0", missing: " "}
    with pytest.raises(ConfigError, match=f"--{missing} must be given"):
        zenodo.metadata(title="A model", card="", **given)
