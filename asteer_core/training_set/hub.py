"""An exported training set on the Hugging Face hub: private and gated unless the caller says otherwise.

The endpoint is `HF_ENDPOINT`, the token what `hf auth login` stored, or `HF_TOKEN`.
"""

from __future__ import annotations

import os
from pathlib import Path

from asteer_core.errors import ConfigError, StoreError


def push_to_hub(folder: Path, repo: str, *, private: bool = True, gated: bool = True) -> str:
    """Upload an exported folder to the dataset repository `repo` and return its address.

    The repository is made private, and gated by hand, before any file is sent.

    Raises:
        ConfigError: the folder is no export, or `repo` is not `owner/name`.
        StoreError: the hub refuses or cannot be reached; says what to check.
    """
    if not (folder / "README.md").is_file() or not (folder / "provenance.json").is_file():
        raise ConfigError(f"{folder}: no export (README.md and provenance.json are not both there); write one with asteer export first")
    if repo.count("/") != 1 or not all(repo.split("/")):
        raise ConfigError(f"hub repository {repo!r}: expected owner/name")
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    # The hub client has changed its HTTP library twice; the bases of its error are whatever the library raises when nobody answers.
    unreachable = tuple(base for base in HfHubHTTPError.__mro__ if issubclass(base, Exception) and base is not Exception)
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None)
    try:
        api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        # An existing repository keeps its own visibility unless it is set; nothing harmful may go public by accident.
        api.update_repo_settings(repo, repo_type="dataset", private=private, gated="manual" if gated else False)
        api.upload_folder(repo_id=repo, repo_type="dataset", folder_path=folder, commit_message="Training set")
    except HFValidationError as error:
        raise ConfigError(f"hub repository {repo!r}: {error}") from None
    except unreachable as error:
        raise StoreError(
            f"{repo}: the hub did not take the set ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}); check the "
            "name, your token (hf auth login, or HF_TOKEN) and HF_ENDPOINT; the export itself is kept"
        ) from None
    return f"{api.endpoint}/datasets/{repo}"
