"""The error of a parameter, which carries its name so that each front end can spell it."""


class ParameterError(ValueError):
    """A parameter has a value that it cannot have.

    Parameters
    ----------
    parameter : str
        Its name, as in the signature.
    requirement : str
        The rule that it breaks: ``"must be at least 1"``.
    got : str
        The value, as shown to the user.
    remedy : str, default=""
        How to mend it, in terms of the Python API.
    hint : str, default=""
        Further words that hold in every front end: ``"Did you mean 'conv3'?"``.
    """

    def __init__(self, parameter, requirement, got, remedy="", hint=""):
        super().__init__(parameter, requirement, got, remedy, hint)
        self.parameter = parameter
        self.requirement = requirement
        self.got = got
        self.remedy = remedy
        self.hint = hint

    def __str__(self):
        message = f"The {self.parameter!r} parameter {self.requirement}. Got {self.got} instead."
        return " ".join(filter(None, [message, self.hint, self.remedy]))
