"""A model file as it is run: read once, named by its bytes, ready in onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from spkid.config import fingerprint
from spkid.errors import ModelMismatch, NotFound, SpkidError
from spkid.files import open_regular, why_unreadable

if TYPE_CHECKING:
    import onnxruntime


class FromFile(Protocol):
    """An encoder that is made from a file."""

    fingerprint: str

    def __init__(self, path: Any, *, n_threads: int) -> None: ...


Opened = TypeVar("Opened", bound=FromFile)


def open_graph(
    path: Path, *, n_threads: int, expected: str
) -> tuple[onnxruntime.InferenceSession, str]:
    """The graph in ``path`` and the digest of the very bytes that are run.

    Raises
    ------
    NotFound
        If there is no such file.
    SpkidError
        If it is no graph that onnxruntime runs.
    """
    import onnxruntime

    try:
        with open_regular(path) as file:
            content = file.read()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(
            f"no model {path}", expected=expected, do="check the path", code="model"
        ) from error
    except OSError as error:
        raise unusable(path, expected, f" ({why_unreadable(error)})") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # weights in a second file would not be part of the digest: there is no such folder
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", str(path / "none")
    )
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises many types of its own
        raise unusable(path, expected) from error
    return session, fingerprint(content)


def unusable(path: Path, expected: str, reason: str = "") -> SpkidError:
    """What is said of a file that is no model."""
    return SpkidError(
        f"{path}: not a usable model{reason}", expected=expected, do="check the path", code="model"
    )


def reopened(kind: type[Opened], path: Path, n_threads: int, fingerprint: str) -> Opened:
    """An encoder that was pickled, from its file again.

    Raises
    ------
    ModelMismatch
        If the file is another one by now.
    """
    encoder = kind(path, n_threads=n_threads)
    if encoder.fingerprint != fingerprint:
        raise ModelMismatch(
            f"{path}: model {encoder.fingerprint}",
            expected=f"{fingerprint}, as it was when it was pickled",
            do="load the model again",
            code="other_model",
        )
    return encoder
