"""Names that the user gives: to clusters, and those of labels to hide."""

import difflib

from sklearn_resnet._runtime.errors import ParameterError

_MAX_LISTED = 8


def check_known(parameter, names, known, kind):
    """Check that names are among those that an explorer shows.

    Parameters
    ----------
    parameter : str
    names : iterable
    known : list of str
    kind : str
        What `known` holds: "labels of the column 'kind'".

    Raises
    ------
    ParameterError
        If a name is unknown. It lists some of `known`.
    """
    known = list(dict.fromkeys(known))
    unknown = [name for name in names if name not in known]
    if not unknown:
        return
    if not known:
        raise ParameterError(
            parameter, f"must be empty, because there are no {kind}", repr(unknown[0])
        )
    shown = ", ".join(map(repr, known[:_MAX_LISTED]))
    if len(known) > _MAX_LISTED:
        shown += f" and {len(known) - _MAX_LISTED} more"
    near = difflib.get_close_matches(str(unknown[0]), known, n=1)
    raise ParameterError(
        parameter,
        f"must hold {kind}, which are {shown}",
        repr(unknown[0]),
        hint=f"Did you mean {near[0]!r}?" if near else "",
    )


def check_names(names, maps):
    """Check the user's names of clusters.

    Parameters
    ----------
    names : dict of str to str
        By the keys of the clusters.
    maps : list of dict
        The maps as the metadata describe them.

    Raises
    ------
    ParameterError
        If a key is unknown, or a name is no text.
    """
    known = [cluster["key"] for each in maps for cluster in each["clusters"]]
    check_known("names", names, known, "names of clusters")
    for key, name in names.items():
        if not isinstance(name, str):
            raise ParameterError("names", f"must hold text for the cluster {key!r}", repr(name))
