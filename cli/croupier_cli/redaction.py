"""URLs without the passwords in them."""

import re
from typing import Final

# As far as the last @, since a password that nobody has encoded may hold one, or a slash.
_LOGIN: Final = re.compile(r"(?<=://)([^:@]*)(:.*)?@", re.DOTALL)
_PASSWORD_OPTION: Final = re.compile(r"([?&]\w*password=)[^&]*")


def without_password(url: str) -> str:
    """A URL that may be shown: with the user's name, and without the password, whether before the host or an option."""
    return _PASSWORD_OPTION.sub(r"\1...", _LOGIN.sub(r"\1@", url))
