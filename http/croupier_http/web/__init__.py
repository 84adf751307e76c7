"""The pages for browsers, as files of this package: read once, when the server starts, and served from memory.

A directory with an `index.html` is a page: `play/index.html` is `/play`. Everything else is at
`/web/{version}/{part}/{name}`, where `version` is a digest of all files together. So an address never changes its
content and may be cached for ever, relative imports between modules stay within one version, and only the page itself,
in which `{version}` is filled in, has to be asked for again. What is not among the files read is not found, whatever
its address spells.
"""

import hashlib
from pathlib import Path
from typing import Final, NamedTuple

from aiohttp import hdrs, web

from croupier.errors import CroupierError
from croupier_http.endpoints import Endpoint, Places
from croupier_http.replies import Answer
from croupier_http.security_headers import page_headers

FILES_PATH: Final = "/web/{version}/{part}/{name}"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)

_HEADERS: Final = page_headers(POLICY)
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_ASK_AGAIN: Final = "no-cache"
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_PAGE: Final = "index.html"
_PLACE_OF_VERSION: Final = b"{version}"

Name = tuple[str, str]
"""Part and name of a file, such as `("play", "main.js")`."""


class File(NamedTuple):
    """A file as it is sent. `etag` is a strong one."""

    body: bytes
    content_type: str
    etag: str
    cache_control: str

    @classmethod
    def of(cls, body: bytes, content_type: str, cache_control: str) -> "File":
        return cls(body, content_type, f'"{hashlib.sha256(body).hexdigest()[:32]}"', cache_control)

    def answer(self, request: web.BaseRequest) -> Answer:
        """200 with the file, or 304 where the client has it."""
        status = 304 if _knows(request, self.etag) else 200
        headers = f"ETag: {self.etag}\r\n{_HEADERS}"
        return Answer(self.body, status, self.content_type, headers, self.cache_control)


class WebPage:
    """Answers the address of a page."""

    def __init__(self, file: File) -> None:
        self.file = file

    async def answer(self, request: web.BaseRequest, op_id: bytes, places: Places) -> Answer:
        return self.file.answer(request)


class WebFiles:
    """Answers the addresses of all other files. Raises CroupierError NOT_FOUND for what is none of them."""

    def __init__(self, version: str, files: dict[Name, File]) -> None:
        self._version = version
        self._files = files

    async def answer(self, request: web.BaseRequest, op_id: bytes, places: Places) -> Answer:
        file = self._files.get((places["part"], places["name"]))
        if file is None or places["version"] != self._version:
            raise CroupierError("NOT_FOUND")
        return file.answer(request)


def endpoints(directory: Path = Path(__file__).parent) -> dict[str, Endpoint]:
    """Endpoints by path, for GET.

    No limit per client address applies to them: one page asks for some thirty files at once, and sending one from
    memory costs no more than refusing it.
    """
    read = {
        (path.parent.name, path.name): path.read_bytes()
        for path in sorted(directory.glob("*/*"))
        if path.suffix in _TYPES
    }
    version = _version(read)
    pages: dict[str, Endpoint] = {}
    files: dict[Name, File] = {}
    for (part, name), body in read.items():
        content_type = _TYPES[Path(name).suffix]
        if name == _PAGE:
            filled_in = body.replace(_PLACE_OF_VERSION, version.encode())
            pages[f"/{part}"] = WebPage(File.of(filled_in, content_type, _ASK_AGAIN))
        else:
            files[part, name] = File.of(body, content_type, _FOR_EVER)
    return {**pages, FILES_PATH: WebFiles(version, files)}


def _version(read: dict[Name, bytes]) -> str:
    digest = hashlib.sha256()
    for (part, name), body in read.items():
        digest.update(f"{part}/{name} {len(body)}\n".encode())
        digest.update(body)
    return digest.hexdigest()[:16]


def _knows(request: web.BaseRequest, etag: str) -> bool:
    """Whether the client has that version already (RFC 9110, section 13.1.2: weak comparison)."""
    named = request.headers.get(hdrs.IF_NONE_MATCH, "").split(",")
    return any(each.strip().removeprefix("W/") in (etag, "*") for each in named)
