"""Errors with separate parts, which the command line renders with the names of its options."""


class ParameterError(ValueError):
    """A parameter has an invalid value.

    Parameters
    ----------
    parameter : str
        Its name, as in the signature.
    requirement : str
        The rule that it breaks: ``"must be at least 1"``.
    got : str or None
        The value, as shown to the user; None if it goes without saying.
    remedy : str, default=""
        How to fix it, in terms of the Python API; the command has its own.
    hint : str, default=""
        A suggestion, for all front ends: ``"Did you mean 82?"``.
    """

    def __init__(self, parameter, requirement, got, remedy="", hint=""):
        super().__init__(parameter, requirement, got, remedy, hint)
        self.parameter = parameter
        self.requirement = requirement
        self.got = got
        self.remedy = remedy
        self.hint = hint

    def __str__(self):
        problem = self.describe_as(f"The {self.parameter!r} parameter")
        return " ".join(filter(None, (problem, self.remedy)))

    def describe_as(self, subject):
        """Return the message with another name of the parameter, and without the remedy."""
        got = None if self.got is None else f"Got {self.got} instead."
        return " ".join(filter(None, (f"{subject} {self.requirement}.", got, self.hint)))


class MissingFileError(ParameterError, FileNotFoundError):
    """A parameter names a file that does not exist."""

    # tblib, which pickles for Dask, calls the first one of the MRO; ValueError's refuses objects
    # with the memory layout of OSError
    __new__ = FileNotFoundError.__new__


class DownloadError(ConnectionError):
    """A file is not on this machine and cannot be downloaded.

    Parameters
    ----------
    subject : str
        The content of the file: ``"The dataset 'mnist'"``.
    cause : str
    path : path or None
        Its expected path on this machine, if that is known.
    url : str or None
    megabytes : int or None
    remedy : str
        How to proceed without the download, in terms of the Python API.
    """

    def __init__(self, subject, cause, path, url, megabytes, remedy):
        super().__init__(subject, cause, path, url, megabytes, remedy)
        self.subject = subject
        self.cause = cause
        self.path = path
        self.url = url
        self.megabytes = megabytes
        self.remedy = remedy

    @property
    def problem(self):
        """The message without the remedy."""
        lines = [
            f"{self.subject} cannot be downloaded, and this machine has no copy: {self.cause}."
        ]
        if self.path is not None:
            lines.append(f"Expected at: {self.path}")
        if self.url is not None:
            size = "" if self.megabytes is None else f" ({self.megabytes} MB)"
            lines.append(f"Download:    {self.url}{size}")
        return "\n".join(lines)

    def __str__(self):
        return f"{self.problem}\n{self.remedy}"
