"""Trained translators at the Hugging Face hub.

`--model=hf:OWNER/NAME` downloads a packed model, and `python -m
tf_i2i.push_to_hub` uploads one. The package `huggingface_hub` does the
transfers. This package keeps downloaded files in its own cache, which is also
used without a network. It reads the user's token from HF_TOKEN or from `hf auth
login`.

A downloaded model is treated like any run of somebody else: its config.gin may
load no code and download nothing, unless the user agrees by `--trust_config`.
"""

import contextlib
import re
from pathlib import Path

from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.extras import optional

PREFIX = "hf:"
# The files of a packed model. No other file of a repository is downloaded.
FILES = ("config.gin", "translator.npz", "README.md", "LICENSE")
_EXTRA = "hub"
_REPOSITORY = r"[\w.-]+/[\w.-]+"


def download(spec):
    """Returns the folder of a model, which is downloaded if it is missing.

    Args:
        spec: "hf:OWNER/NAME", or "hf:OWNER/NAME@REVISION" for a branch, a tag
            or a commit. Only a commit stands for the same files for ever.

    Returns:
        `Path` of a folder in the cache of `huggingface_hub`.

    Raises:
        UserError: the text has another form, the repository cannot be reached
            or has no packed model, or `huggingface_hub` is not installed.
    """
    found = re.fullmatch(rf"{PREFIX}({_REPOSITORY})(?:@(\S+))?", spec)
    if not found:
        raise UserError(
            "`--model` must have the form hf:OWNER/NAME or "
            f"hf:OWNER/NAME@REVISION. Received: {printable(spec)}"
        )
    repository, revision = found.groups()
    library = optional("huggingface_hub", _EXTRA)
    with _failures("--model"):
        folder = Path(
            library.snapshot_download(
                repository, revision=revision, allow_patterns=list(FILES)
            )
        )
    if not (folder / "config.gin").is_file():
        raise UserError(
            "`--model` must be a repository with the config.gin of a "
            f"translator. Received: {spec}"
        )
    return folder


def check_repository(repository):
    """Raises a `UserError` if a text is not of the form OWNER/NAME."""
    if not re.fullmatch(_REPOSITORY, repository):
        raise UserError(
            "`--repo` must have the form OWNER/NAME. "
            f"Received: {printable(repository)}"
        )


def upload(folder, repository, public):
    """Uploads a packed model; the repository is made if it is missing.

    Args:
        folder: folder with the packed model. Only `FILES` are uploaded.
        repository: "OWNER/NAME".
        public: whether a new repository can be read by everybody. The setting
            of an existing repository is not changed.

    Returns:
        Address of the commit.

    Raises:
        UserError: the hub cannot be reached or refuses the upload, or
            `huggingface_hub` is not installed.
    """
    library = optional("huggingface_hub", _EXTRA)
    api = library.HfApi(library_name="tf_i2i")
    with _failures("--repo"):
        api.create_repo(repository, private=not public, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repository,
            folder_path=str(folder),
            allow_patterns=list(FILES),
            commit_message="Upload of a translator by tf_i2i",
        )
    return str(commit)


def front_matter(tags, licence):
    """Returns the YAML header of a model card, which the hub reads.

    Args:
        tags: list of tags, such as the name of the method.
        licence: identifier of the licence of the weights, such as
            "apache-2.0"; None if it is not known.
    """
    library = optional("huggingface_hub", _EXTRA)
    data = library.ModelCardData(
        library_name="tf-i2i",
        pipeline_tag="image-to-image",
        license=licence,
        tags=["tensorflow", "keras", "unpaired", *tags],
    )
    return f"---\n{data.to_yaml()}\n---\n"


@contextlib.contextmanager
def _failures(argument):
    """Context that turns errors of the hub into a `UserError`.

    Args:
        argument: flag with the name of the repository.
    """
    errors = optional("huggingface_hub.errors", _EXTRA)
    try:
        yield
    except (
        OSError,
        errors.HfHubHTTPError,
        errors.HFValidationError,
        errors.LocalEntryNotFoundError,
    ) as error:
        text = " ".join(str(error).split())[:300]
        raise UserError(
            f"`{argument}` must be a repository that can be reached and that "
            f"your token may use. Received: {printable(text)}"
        ) from error
