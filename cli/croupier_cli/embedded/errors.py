"""Why an embedded server cannot start. Each message is one line for the CLI to print (exit code 2)."""


class CannotStart(Exception):
    """A server cannot start, or ended while it was starting."""


class BinaryMissing(CannotStart):
    """The server is not installed, or not where an environment variable says it is."""


class DataDirectoryInUse(CannotStart):
    """Another process holds the data directory; nothing in it was touched."""


class DataDirectoryUnsuitable(CannotStart):
    """The data directory cannot be written, or holds something that this server must not open."""


class PortInUse(CannotStart):
    """Another process listens on the port."""
