"""Server seeds: derived from a master key, never stored outside Redis' volatile fields while they are live."""

import hashlib
import hmac
import re
import secrets

from croupier import deterministic
from croupier.settings import Settings, SettingsError
from croupier_schemas.records import SEED, Seed

_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))
_ENTRY = re.compile(r"([1-9][0-9]{0,8}):([0-9a-f]{64})")


class ServerSeed:
    """The server seed of one (player, generation): 64 hex characters, committed by the SHA-256 of their ASCII."""

    __slots__ = ("_text", "commitment", "generation", "key", "uid")

    def __init__(self, uid: int, key: int, generation: int, text: str) -> None:
        self.uid = uid
        self.key = key
        self.generation = generation
        self._text = text
        self.commitment = hashlib.sha256(text.encode()).digest()

    def __repr__(self) -> str:
        return f"ServerSeed(uid={self.uid}, key={self.key}, generation={self.generation}, text=...)"

    def reveal(self) -> str:
        """The seed itself. Only for what a player may see, or for the script that needs it."""
        return self._text

    def packed(self, tokens: int = 0, gems: int = 0) -> bytes:
        """As script argument, with the two key blocks of HMAC (RFC 2104); SHA-1's block is as long as the seed.

        `tokens` and `gems` are what a new player begins with; its client seed is its id, which no server can choose.
        """
        text, client_seed = self._text.encode(), str(self.uid).encode()
        return SEED.pack(
            Seed(
                self.key,
                self.generation,
                self.commitment,
                text.translate(_INNER),
                text.translate(_OUTER),
                tokens,
                gems,
                len(client_seed),
                client_seed,
            )
        )


class MasterKeys:
    """The master keys by id. Seeds are HMAC-SHA256(master key, "installation:uid:generation"), in hex."""

    def __init__(self, keys: dict[int, bytes], *, everywhere_the_same: bool = False) -> None:
        self._everywhere_the_same = everywhere_the_same
        if not keys:
            raise SettingsError(
                "CROUPIER_MASTER_KEYS is empty; `croupier up` makes one in its data directory"
            )
        self._keys = keys
        self.current = max(keys)

    @classmethod
    def of_settings(cls, settings: Settings) -> "MasterKeys":
        """The configured keys; in deterministic mode one from its text, whose seeds are the same in any installation.

        Raises SettingsError.
        """
        if settings.deterministic_seed:
            key = deterministic.master_key(settings.deterministic_seed)
            return cls({deterministic.MASTER_KEY_ID: key}, everywhere_the_same=True)
        return cls.parse(settings.master_keys)

    @classmethod
    def parse(cls, text: str) -> "MasterKeys":
        """From `id:hex,id:hex`. Raises SettingsError, which does not show the keys."""
        keys: dict[int, bytes] = {}
        for number, entry in enumerate(filter(None, text.split(",")), start=1):
            match = _ENTRY.fullmatch(entry.strip())
            if match is None or int(match[1]) in keys:
                raise SettingsError(
                    f"CROUPIER_MASTER_KEYS: entry {number} is not `id:64 lower-case hex characters`, "
                    "each with an id of its own"
                )
            keys[int(match[1])] = bytes.fromhex(match[2])
        return cls(keys)

    @staticmethod
    def generate() -> str:
        """A fresh value for CROUPIER_MASTER_KEYS."""
        return f"1:{secrets.token_hex(32)}"

    def seed(self, installation: str, uid: int, generation: int, key: int | None = None) -> ServerSeed:
        """The seed of a player's generation under master key `key` (default: the current one).

        The installation is part of it, so that players who begin anew on an empty Redis and an empty Postgres do not
        meet seeds again that were revealed before. Raises SettingsError when that key is not configured.
        """
        key = self.current if key is None else key
        if key not in self._keys:
            raise SettingsError(
                f"CROUPIER_MASTER_KEYS has no key {key}, which a seed of player {uid} comes from; add it back"
            )
        message = f"{'' if self._everywhere_the_same else installation}:{uid}:{generation}".encode()
        return ServerSeed(
            uid, key, generation, hmac.new(self._keys[key], message, hashlib.sha256).hexdigest()
        )
