"""The Lua scripts of Croupier, as package data: one file per command, and the includes that they share."""

from importlib.resources import files
from importlib.resources.abc import Traversable

RULES = 1
"""Version of the scripts' semantics. An event names it, and `verify` replays by it: raise it with every change that
gives another outcome for the same state and rolls. A partition's head says the lowest version that may still write."""

ROOT: Traversable = files(__name__)
