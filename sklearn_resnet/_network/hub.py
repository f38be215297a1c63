"""Weights on the Hugging Face Hub: ``"hf://org/name@revision/file"``, by `huggingface_hub`."""

import contextlib
import errno
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from sklearn_resnet._runtime.errors import DownloadError, ParameterError
from sklearn_resnet._runtime.imports import import_optional
from sklearn_resnet._runtime.threads import call_within

# Files beside the weights that say how images are normalised: timm's, transformers'
CONFIG_NAMES = ("config.json", "preprocessor_config.json")

_REQUEST_SECONDS = 5
_ANSWER_SECONDS = 8  # all requests before the download, and the look-up of the host name
_REMEMBERED_SECONDS = 60  # of a failure, so that a search does not wait for each of its fits
_MAX_LISTED = 20

_NAME = r"\w(?:[\w.-]*\w)?"
_FORM = re.compile(
    rf"hf://(?P<repo>{_NAME}/{_NAME})"
    r"(?:@(?P<revision>refs/(?:pr|convert)/[^/@\s]+|[^/@\s]+))?"
    r"(?:/(?P<file>[^@]*[^/@]))?/?",
    re.ASCII,
)
# Also a pathlib.Path of the string, timm's prefix, and URLs of the website
_LOOKALIKE = re.compile(
    r"\s*(?:hf(?:[-_]hub)?:|https?:[/\\]+(?:www\.)?(?:huggingface\.co|hf\.co)(?=[/\\]|$))[/\\]*(.*)",
    re.IGNORECASE | re.DOTALL,
)
_PAGE = re.compile(r"([^/@]+/[^/@]+)/(?:tree|blob|resolve|raw)/([^/]+)(/.+)?")

# Of this process: paths found, failures with their times, and paths whose config files are all in
# the cache
_found: dict[tuple, str] = {}
_failed: dict[tuple, tuple[DownloadError, float]] = {}
_complete: set[str] = set()


@dataclass(frozen=True)
class HubFile:
    """A repository of the hub, a revision of it, and a file if one is named.

    Attributes
    ----------
    repo : str
    revision : str or None
        A branch, tag or commit; None for the default branch.
    file : str or None
    """

    repo: str
    revision: str | None
    file: str | None


def is_hub(weights):
    """Return whether `weights` mean the hub: ``"hf://org/name"``, or something meant as such."""
    is_path = isinstance(weights, str | os.PathLike)
    return is_path and _LOOKALIKE.match(os.fspath(weights)) is not None


def parse_hub(weights):
    """Split ``"hf://org/name@revision/file"``.

    Parameters
    ----------
    weights : str

    Returns
    -------
    HubFile

    Raises
    ------
    ParameterError
        If it has another form. The message suggests the right one.
    """
    match = _FORM.fullmatch(weights) if isinstance(weights, str) else None
    if match is None:
        suggestion = _suggest(os.fspath(weights))
        raise ParameterError(
            "weights",
            "must name weights of the hub as 'hf://org/name', 'hf://org/name@revision' or "
            "'hf://org/name@revision/file.safetensors', a str",
            repr(weights),
            hint=f"Did you mean {suggestion!r}?" if suggestion else "",
        )
    revision = match["revision"]
    return HubFile(match["repo"], revision and unquote(revision), match["file"])


def _suggest(text):
    """Return the right form of a string that was meant as such; "" if there is none."""
    rest = _LOOKALIKE.match(text)[1].replace("\\", "/").strip()
    rest = re.split("[?#]", rest)[0].rstrip("/")
    page = _PAGE.fullmatch(rest)
    if page is not None:
        revision = "" if page[2] == "main" else f"@{page[2]}"
        rest = f"{page[1]}{revision}{page[3] or ''}"
    suggestion = f"hf://{rest}"
    return suggestion if _FORM.fullmatch(suggestion) else ""


def fetch_hub(weights, *, endpoint=None, cache_dir=None):
    """Return the path of weights of the hub; download them if they are absent or out of date.

    If the server cannot be reached, the copy in the cache is taken. A path is remembered for the
    life of the process, so that a search asks the server once and does not mix revisions. A failure
    is remembered for a minute.

    Parameters
    ----------
    weights : str
        ``"hf://org/name"``, with ``"@revision"``, ``"/file"`` or both appended. Without a file,
        ``"model.safetensors"``, the only .safetensors file or ``"pytorch_model.bin"``.
    endpoint, cache_dir : str, default=None
        The server and the folder; None for those of `huggingface_hub`.

    Returns
    -------
    str
        The path, in a folder that also has the files `CONFIG_NAMES` of the repository, except if
        `find_beside` says otherwise.

    Raises
    ------
    ParameterError
        If the string has another form.
    ImportError
        If `huggingface_hub` is not installed.
    DownloadError
        If the file cannot be downloaded, and is not in the cache.
    """
    source = parse_hub(weights)
    key = weights, endpoint, cache_dir
    if os.path.isfile(_found.get(key, "")):
        return _found[key]
    failure, since = _failed.get(key, (None, 0.0))
    if failure is not None and time.monotonic() - since < _REMEMBERED_SECONDS:
        raise failure.with_traceback(None)
    hub = _import_hub(f"weights={weights!r}")
    options = {
        "endpoint": endpoint or hub.constants.ENDPOINT,
        "cache_dir": os.path.expanduser(cache_dir or hub.constants.HF_HUB_CACHE),
    }
    try:
        path = _fetch(hub, source, options)
    except Exception as exc:  # of the network, the server, the disk
        cause, remedy = _explain(hub, exc, source, options)
        url = f"{options['endpoint']}/{source.repo}"
        # scikit-learn prints the whole chain for each fit of a search
        failure = DownloadError(f"The weights {weights!r}", cause, None, url, None, remedy)
        _failed[key] = failure, time.monotonic()
        raise failure from None
    return _found.setdefault(key, path)  # two threads take the same


def _import_hub(purpose):
    hub = import_optional("huggingface_hub", extra="hub", purpose=purpose)
    for module in ("constants", "errors"):  # not imported with the package
        import_optional(f"huggingface_hub.{module}", extra="hub", purpose=purpose)
    return hub


def _fetch(hub, source, options):
    try:
        file = _ask_server(hub, source, options)
    except (hub.errors.RevisionNotFoundError, _FileChoiceError):
        raise
    except Exception:
        found = _find_cached(source, options["cache_dir"])
        if found is None:
            raise
        return found
    path = hub.hf_hub_download(source.repo, file, revision=source.revision, **options)
    _complete.add(path)
    return path


def _in_time(function, deadline):
    seconds = max(0, deadline - time.monotonic())
    return call_within(seconds, function, f"no answer within {_ANSWER_SECONDS} seconds")


def _ask_server(hub, source, options):
    """Choose the file by the server's list, fetch the config files, and check access to the file.

    Before each download, its metadata are requested: `hf_hub_download` tries again for minutes if
    the server does not answer.
    """
    endpoint, cache_dir = options["endpoint"], options["cache_dir"]
    deadline = time.monotonic() + _ANSWER_SECONDS

    def check(name, revision):
        url = hub.hf_hub_url(source.repo, name, revision=revision, endpoint=endpoint)
        timeout = _REQUEST_SECONDS
        _in_time(
            lambda: hub.get_hf_file_metadata(url, timeout=timeout, endpoint=endpoint), deadline
        )

    api = hub.HfApi(endpoint=endpoint)
    revision, timeout = source.revision, _REQUEST_SECONDS
    info = _in_time(
        lambda: api.model_info(source.repo, revision=revision, timeout=timeout), deadline
    )
    file = _choose_file(source, [sibling.rfilename for sibling in info.siblings])
    for name in (_beside(file, name) for name in CONFIG_NAMES):
        if hub.try_to_load_from_cache(source.repo, name, cache_dir, info.sha) is not None:
            continue  # there, or known to be absent
        with contextlib.suppress(hub.errors.EntryNotFoundError):
            check(name, info.sha)
        # an absent file is recorded in the cache, for `find_beside`
        with contextlib.suppress(hub.errors.EntryNotFoundError):
            hub.hf_hub_download(source.repo, name, revision=info.sha, **options)
    check(file, revision)
    return file


class _FileChoiceError(LookupError):
    """A repository lacks the file, or has none to choose."""


def _choose_file(source, files):
    """Choose the weights among the files of a repository."""
    safetensors = [name for name in files if name.endswith(".safetensors")]
    choices = [source.file] if source.file else ["model.safetensors", "pytorch_model.bin"]
    if source.file is None and len(safetensors) == 1:
        choices.insert(1, safetensors[0])
    for choice in choices:
        if choice in files:
            return choice
    listed = ", ".join(sorted(files)[:_MAX_LISTED])
    listed += f" and {len(files) - _MAX_LISTED} more" if len(files) > _MAX_LISTED else ""
    missing = f"has no file {source.file!r}" if source.file else "has no single file of weights"
    raise _FileChoiceError(f"{source.repo} {missing}. Its files are: {listed or 'none'}")


def _find_cached(source, cache_dir):
    """Return the path of weights in the cache folder; None if they are absent.

    The layout: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
    """
    folder = Path(cache_dir, "models--" + source.repo.replace("/", "--"))
    reference = folder / "refs" / (source.revision or "main")
    commit = reference.read_text().strip() if reference.is_file() else source.revision
    snapshot = folder / "snapshots" / (commit or "")
    files = [p.relative_to(snapshot).as_posix() for p in snapshot.rglob("*") if p.is_file()]
    try:
        return str(snapshot / _choose_file(source, files)) if commit else None
    except _FileChoiceError:
        return None


def find_beside(path, name):
    """Return the path of a file of `CONFIG_NAMES` beside weights from `fetch_hub`.

    Parameters
    ----------
    path : str
        The weights.
    name : str

    Returns
    -------
    str or None
        None if the repository has no such file.

    Raises
    ------
    DownloadError
        If it is unknown whether it does, as another program downloaded the weights alone and the
        server cannot be reached.
    """
    found = Path(path).with_name(name)
    if found.is_file():
        return str(found)
    snapshot = next(parent for parent in found.parents if parent.parent.name == "snapshots")
    marker = snapshot.parents[1] / ".no_exist" / snapshot.name / found.relative_to(snapshot)
    if path in _complete or marker.exists():
        return None
    raise DownloadError(
        f"The file {name!r}, which says the normalization of the weights {path!r},",
        "the hub cannot be reached",
        None,
        None,
        None,
        "Connect once to download it, or choose the normalization.",
    )


def _beside(file, name):
    folder, slash, _ = file.rpartition("/")
    return f"{folder}{slash}{name}"


_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)


def _explain(hub, exc, source, options):
    """Describe the cause of a failure, and its remedy."""
    errors, url = hub.errors, f"{options['endpoint']}/{source.repo}"
    status = getattr(getattr(exc, "response", None), "status_code", None)
    login = "log in with huggingface_hub.login(), or set the variable HF_TOKEN"
    if isinstance(exc, _FileChoiceError):
        return str(exc), f"Name one of its files: 'hf://{source.repo}/FILE'."
    if isinstance(exc, errors.OfflineModeIsEnabled):
        return (
            "huggingface_hub is in offline mode",
            "Unset the variable HF_HUB_OFFLINE for one run, or pass the path of a file.",
        )
    if isinstance(exc, errors.GatedRepoError):
        return f"access to {source.repo} is gated", f"Accept its terms at {url} and {login}."
    if isinstance(exc, errors.RepositoryNotFoundError) or status in (401, 403):
        return (
            f"the hub has no repository {source.repo!r}, or it is private",
            f"Check its name. If it is private, {login}.",
        )
    if isinstance(exc, errors.RevisionNotFoundError):
        return (
            f"{source.repo} has no revision {source.revision!r}",
            f"Pass a branch, tag or commit of {url}/commits, or leave out "
            f"'@{source.revision}' for the default branch.",
        )
    cause = (str(exc).strip() or type(exc).__name__).splitlines()[0].rstrip(".")
    if getattr(exc, "errno", None) in _NO_SPACE:
        return (
            f"the file cannot be written: {cause}",
            f"Free space in {options['cache_dir']!r} or make it writable, or set the variable "
            "HF_HOME to another folder before Python starts.",
        )
    return cause, (
        "Check the network (the variable HTTPS_PROXY names a proxy, HF_ENDPOINT another server) and "
        "try again after a minute, or download the file and its config.json on another machine, and "
        "pass the path of the file with both in one folder."
    )
