"""What the containers run beside Croupier, and the secrets of an installation made of them."""

import importlib.util
import re
from types import ModuleType

from tests.ops.queries import ROOT


def script(name: str) -> ModuleType:
    """A script of ops/container as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "ops" / "container" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def new_secrets() -> dict[str, str]:
    """Those that a new installation has, by variable."""
    made = script("make_env").filled((ROOT / ".env.example").read_text("utf-8"))
    return dict(re.findall(r"^([A-Z_]+)=(.+)$", made, re.MULTILINE))
