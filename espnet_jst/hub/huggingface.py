"""Uploading to a Hugging Face hub: the only place that writes to one."""

from __future__ import annotations

from pathlib import Path

from espnet_jst.errors import ConfigError, UploadError

NO_TOKEN = "no token for the Hugging Face hub: log in with `hf auth login`, or set HF_TOKEN"


def check_repository(name: str) -> None:
    """Refuse what is not a repository's name.

    Raises:
        ConfigError: it is not of the form org/name, or has characters that the hub does not take.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
        if name.count("/") != 1:
            raise HFValidationError("one slash")
    except HFValidationError as error:
        shown = name or "(empty)"
        raise ConfigError(f"--hf_repo {shown}: give org/name, of letters, digits, '-', '_' and '.'") from error


def find_token() -> str | None:
    """The token of the environment or of the last login; never shown."""
    from huggingface_hub import get_token

    return get_token()


def upload_folder(folder: Path, repository: str, *, token: str, endpoint: str | None = None) -> str:
    """Make the repository where it is missing, and one commit with every file of the folder.

    Args:
        endpoint: address of the hub, by default HF_ENDPOINT or huggingface.co.

    Returns:
        The revision, for `from_pretrained("org/name@revision")`.

    Raises:
        UploadError: the hub refused, or could not be reached.
    """
    from huggingface_hub import HfApi

    api = HfApi(endpoint=endpoint, token=token, library_name="espnet_jst")
    try:
        api.create_repo(repository, exist_ok=True)
        return api.upload_folder(repo_id=repository, folder_path=folder, commit_message="Upload a packed model").oid
    except Exception as error:  # those of the HTTP library, too, which is another one in each version of the package
        reason = str(error).replace(token, "***").strip().splitlines()
        raise UploadError(
            f"{repository}: the hub did not take it ({type(error).__name__}: {' '.join(reason)}); check the name, the "
            "rights of the token and the network; what was sent before is not sent again"
        ) from error
