"""The error of the commands themselves."""


class CannotRun(Exception):
    """A command cannot run as asked; the message is one line that says why and what to do (exit code 2)."""
