"""The error of whoever uses a tool."""


class UsageError(ValueError):
    """The command line asks for something that does not exist or does not fit the config."""
