"""The files that browsers load: the launcher by its name, its modules by what is in them."""

from __future__ import annotations

import gzip
import hashlib
import importlib.resources
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from importlib.resources.abc import Traversable
from itertools import product
from string import ascii_letters

from fastapi import APIRouter, Request
from rjsmin import jsmin
from starlette.responses import Response

from coccinelle.foundation.errors import NotFound

STATIC = importlib.resources.files(__package__) / "static"
LAUNCHER = "widget.js"
SHORT = "public, max-age=300"  # A new version, or the one before it, is everywhere in five minutes.
FOR_EVER = "public, max-age=31536000, immutable"

_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".d.ts": "application/typescript; charset=utf-8",
}
_FOR_ANY_PAGE = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Vary": "Accept-Encoding",
}
_IN_MODULES = re.compile(r'"\./([A-Za-z0-9_-]+)\.js"')
_IN_LAUNCHER = re.compile(r'"\./widget/([A-Za-z0-9_-]+)\.js"')
# A string that begins with a line break is a stylesheet: nothing else is written like that.
_STYLES = re.compile(r"`\n[^`]*`")
_SPACES = re.compile(r"\s+")
_AROUND_SIGNS = re.compile(r"(\$\{[^}]*\})| ?([{};,]) ?")  # But not around what is filled in.
# The name of a private member of a class, where it is declared and where it is used. What a string
# holds looks like neither, as long as none has a name right after a semicolon, a brace or a dot.
_DECLARED = re.compile(r"([\n;{}](?:static ?)?(?:async ?)?(?:[gs]et ?|\*)?)#([A-Za-z]\w*)(?=[=;(])")
_USED = re.compile(r"(\.)#([A-Za-z]\w*)")
_HASHED = re.compile(r"(?P<name>[A-Za-z0-9_-]+)\.(?P<digest>[0-9a-f]{16})\.js")


class BrokenAssets(RuntimeError):
    """The files of the widget do not fit together: this installation would serve a broken one."""


@dataclass(frozen=True)
class Asset:
    """A file as it is sent: `digest` is the first 16 hex digits of its SHA-256."""

    content: bytes
    gzipped: bytes
    digest: str
    media_type: str


@dataclass(frozen=True)
class Assets:
    """The launcher, and the other files by name, module names in them being those of their content.

    A module is `name.js`, and also `name.<digest>.js`.
    """

    launcher: Asset
    files: Mapping[str, Asset]


def read_assets(folder: Traversable = STATIC) -> Assets:
    """The files of `folder`, in which `"./name.js"` becomes `"./name.<digest>.js"`.

    In the launcher it is `"./widget/name.js"`. What a module imports is named before the module is,
    so that its own name changes with anything that it loads. Comments, spaces and the long names of
    private members are for who reads the source: they are not sent.

    Raises:
        BrokenAssets: modules import each other in a circle, or one that is not there; or the
            launcher is not there.
    """
    texts = {file.name: _sent(file) for file in _files(folder)}
    if LAUNCHER not in texts:
        raise BrokenAssets(f"{LAUNCHER} is not there")
    launcher = texts.pop(LAUNCHER)
    modules = {name: _shortened(text) for name, text in texts.items() if name.endswith(".js")}
    files = {name: _asset(name, text) for name, text in texts.items() if name not in modules}
    for name in _dependencies_first(modules):
        files[name] = _asset(name, _named_by_content(modules[name], _IN_MODULES, files, name))
    launcher = _named_by_content(launcher, _IN_LAUNCHER, files, LAUNCHER)
    return Assets(_asset(LAUNCHER, launcher), files)


def routes(assets: Assets) -> APIRouter:
    """`/widget.js` and `/widget/…`: for any page, without a tenant and without the database."""
    router = APIRouter(include_in_schema=False)

    async def launcher(request: Request) -> Response:
        return _answer(request, assets.launcher, SHORT)

    async def file(request: Request, name: str) -> Response:
        asset, cache_control = _found(assets, name)
        return _answer(request, asset, cache_control)

    router.add_api_route("/widget.js", launcher, methods=["GET", "HEAD"])
    router.add_api_route("/widget/{name}", file, methods=["GET", "HEAD"])
    return router


def _files(folder: Traversable) -> list[Traversable]:
    files = (file for file in folder.iterdir() if file.name.endswith(tuple(_TYPES)))
    return sorted(files, key=lambda file: file.name)


def _sent(file: Traversable) -> str:
    """A file as visitors get it: scripts without comments and indentation, their styles too."""
    text = file.read_text("utf-8")
    return _STYLES.sub(_tightened, jsmin(text)) if file.name.endswith(".js") else text


def _tightened(styles: re.Match[str]) -> str:
    return _AROUND_SIGNS.sub(r"\1\2", _SPACES.sub(" ", styles[0]))


def _shortened(text: str) -> str:
    """A module whose classes have private members of one letter or two, the most used ones first.

    Nothing outside a class can name them. One that is not used after a dot keeps its name.
    """
    declared = {found[2] for found in _DECLARED.finditer(text)}
    used = Counter(found[2] for found in _USED.finditer(text))
    ranked = [name for name, _ in used.most_common() if name in declared]
    short = dict(zip(ranked, _letters(), strict=False))

    def rename(found: re.Match[str]) -> str:
        return f"{found[1]}#{short.get(found[2], found[2])}"

    return _USED.sub(rename, _DECLARED.sub(rename, text))


def _letters() -> Iterator[str]:
    yield from ascii_letters
    for pair in product(ascii_letters, repeat=2):
        yield "".join(pair)


def _dependencies_first(modules: Mapping[str, str]) -> list[str]:
    imports = {
        name: [f"{imported}.js" for imported in _IN_MODULES.findall(text)]
        for name, text in modules.items()
    }
    try:
        return [name for name in TopologicalSorter(imports).static_order() if name in modules]
    except CycleError as error:
        raise BrokenAssets(f"modules in a circle: {' -> '.join(error.args[1])}") from error


def _named_by_content(
    text: str, imported: re.Pattern[str], files: Mapping[str, Asset], importer: str
) -> str:
    def renamed(found: re.Match[str]) -> str:
        asset = files.get(f"{found[1]}.js")
        if asset is None:
            raise BrokenAssets(f"{importer} imports {found[1]}.js, which is not there")
        return found[0].replace(f"{found[1]}.js", f"{found[1]}.{asset.digest}.js")

    return imported.sub(renamed, text)


def _asset(name: str, text: str) -> Asset:
    content = text.encode()
    media_type = next(kind for ending, kind in _TYPES.items() if name.endswith(ending))
    digest = hashlib.sha256(content).hexdigest()[:16]
    return Asset(content, gzip.compress(content, 9, mtime=0), digest, media_type)


def _found(assets: Assets, name: str) -> tuple[Asset, str]:
    """The file that is meant, and how long it may be kept.

    A launcher that was loaded before this version asks for modules of its time: it gets those of
    now, which nothing may keep under that name.
    """
    if asset := assets.files.get(name):
        return asset, SHORT
    hashed = _HASHED.fullmatch(name)
    asset = assets.files.get(f"{hashed['name']}.js") if hashed else None
    if hashed is None or asset is None:
        raise NotFound
    return asset, FOR_EVER if hashed["digest"] == asset.digest else "no-store"


def _answer(request: Request, asset: Asset, cache_control: str) -> Response:
    is_gzipped = _accepts_gzip(request.headers.get("accept-encoding", ""))
    etag = f'"{asset.digest}-gzip"' if is_gzipped else f'"{asset.digest}"'
    headers = {**_FOR_ANY_PAGE, "Cache-Control": cache_control, "ETag": etag}
    if _is_known(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    if is_gzipped:
        headers["Content-Encoding"] = "gzip"
    content = asset.gzipped if is_gzipped else asset.content
    return Response(content, headers=headers, media_type=asset.media_type)


def _accepts_gzip(accepted: str) -> bool:
    """Whether gzip may be sent (RFC 9110, 12.5.3)."""
    weights = {}
    for entry in accepted.lower().split(","):
        coding, _, weight = entry.partition(";")
        weights[coding.strip()] = weight.replace(" ", "")
    chosen = weights.get("gzip", weights.get("x-gzip", weights.get("*", "q=0")))
    return not re.fullmatch(r"q=0(\.0*)?", chosen)


def _is_known(none_match: str, etag: str) -> bool:
    """Whether the sender has it already (RFC 9110, 13.1.2: tags are compared weakly)."""
    tags = [tag.strip().removeprefix("W/") for tag in none_match.split(",")]
    return "*" in tags or etag in tags
