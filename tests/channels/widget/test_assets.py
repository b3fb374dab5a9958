"""What browsers load: each file by what is in it, for any page, for as long as it is true."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from coccinelle.channels.widget.assets import STATIC, BrokenAssets, read_assets, routes
from coccinelle.foundation import problems, web
from coccinelle.foundation.problems import Refusals
from coccinelle.foundation.web import BodyLimits

LAUNCHER_BYTES = 6_144
WIDGET_BYTES = 30_720
LAUNCHER = 'const load = () => import("./widget/panel.js");\n'
PANEL = 'import { say } from "./texts.js";\nimport { Transport } from "./transport.js";\n'
FILES = {
    "widget.js": LAUNCHER,
    "panel.js": PANEL,
    "transport.js": 'import { say } from "./texts.js";\nexport class Transport {}\n',
    "texts.js": 'export const say="Où en êtes-vous ?";',
    "coccinelle.d.ts": '// Types.\ndeclare module "./transport.js";\n',
    "notes.txt": "not for browsers",
}


def folder(tmp_path: Path, **changed: str) -> Path:
    """A folder of the widget's files."""
    written = {**FILES, **{f"{name}.js": text for name, text in changed.items()}}
    for name, text in written.items():
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


def client(files: Path) -> httpx2.AsyncClient:
    """A client of a server of `files`, with what is round every route."""
    app = FastAPI()
    refusals = Refusals({})
    problems.install(app, refusals)
    web.install(app, refusals=refusals, limits=BodyLimits())
    app.include_router(routes(read_assets(files)))
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app),
        base_url="http://test",
        headers={"Accept-Encoding": "identity"},
    )


async def test_every_module_is_loaded_by_what_is_in_it(tmp_path: Path) -> None:
    async with client(folder(tmp_path)) as browser:
        launcher = (await browser.get("/widget.js")).text
        to_load, loaded = [f"/{path}" for path in re.findall(r'"\./(.+?)"', launcher)], set()
        while to_load:
            path = to_load.pop()
            answer = await browser.get(path)
            digest = hashlib.sha256(answer.content).hexdigest()[:16]
            assert answer.status_code == 200
            assert path.endswith(f".{digest}.js")
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            loaded.add(re.sub(r"\.\w{16}", "", path))
            to_load += [f"/widget/{name}" for name in re.findall(r'"\./(.+?)"', answer.text)]

    assert loaded == {"/widget/panel.js", "/widget/transport.js", "/widget/texts.js"}


def test_scripts_are_sent_without_comments_and_with_their_strings_as_they_are(
    tmp_path: Path,
) -> None:
    written = (
        "/** What it\n * promises. */\n"
        "  // A remark.\n"
        'export const url = "https://a.example"; // Beside.\n'
        "const rule = /[/]*/; /* one */\n"
        "const name = `a,  b { ${url} } /* kept */`;\n"
        "const sheet = `\n  .panel,\n"
        "  a :hover { width: calc(1px + ${url}); margin: ${url} 0 }\n`;\n"
    )
    assets = read_assets(folder(tmp_path, texts=written, widget=f"/* Hello. */\n{LAUNCHER}"))
    sent = assets.files["texts.js"].content.decode()

    assert not any(gone in sent for gone in ("promises", "remark", "Beside", "one"))
    assert 'export const url="https://a.example";' in sent
    assert "const rule=/[/]*/;" in sent
    assert "`a,  b { ${url} } /* kept */`" in sent
    assert "` .panel,a :hover{width: calc(1px + ${url});margin: ${url} 0}`" in sent
    assert assets.launcher.content.startswith(b"const load")
    assert assets.files["coccinelle.d.ts"].content.startswith(b"// Types.")


def test_private_members_are_sent_under_short_names_and_nothing_else_is_renamed(
    tmp_path: Path,
) -> None:
    written = (
        "export class Panel {\n"
        "  #opener = null;\n"
        "  #names;\n"
        "  label = `a #names, #opener`;\n"
        "  get #isOpen() { return this.#opener?.open; }\n"
        "  async *#steps() { yield this.#opener; }\n"
        "  async #load(colour = '#names') { return [this.#isOpen, this.#steps(), this.#names]; }\n"
        "  load() { return this.#load('#load'); }\n"
        "}\n"
    )
    sent = read_assets(folder(tmp_path, texts=written)).files["texts.js"].content.decode()

    assert "class Panel{#a=null;" in sent
    assert "label=`a #names, #opener`;" in sent
    assert "return this.#a?.open;" in sent
    assert "'#names'" in sent
    assert ".#" not in re.sub(r"\.#[a-e]\b", "", sent)
    assert sorted(set(re.findall(r"this\.#(\w+)", sent))) == ["a", "b", "c", "d", "e"]
    for name in "abcde":
        assert len(re.findall(rf"(?<!\.)#{name}\b", sent)) == 1


def test_a_module_has_another_name_when_what_it_loads_is_another(tmp_path: Path) -> None:
    before = read_assets(folder(tmp_path))
    after = read_assets(folder(tmp_path, texts='export const say = "Autre chose";\n'))
    again = read_assets(folder(tmp_path, texts=FILES["texts.js"]))

    for name in ("texts.js", "transport.js", "panel.js"):
        assert before.files[name].digest != after.files[name].digest
    assert before.launcher.digest != after.launcher.digest
    assert again == before


@pytest.mark.parametrize("imported", ["panel", "texts"])
def test_modules_in_a_circle_are_refused(tmp_path: Path, imported: str) -> None:
    files = folder(tmp_path, texts=f'import "./{imported}.js";\n')

    with pytest.raises(BrokenAssets, match=rf"circle.*{imported}\.js"):
        read_assets(files)


@pytest.mark.parametrize(
    ("importer", "text"),
    [("widget", 'import("./widget/nobody.js");'), ("panel", 'import "./nobody.js";')],
)
def test_a_module_that_is_not_there_is_refused(tmp_path: Path, importer: str, text: str) -> None:
    with pytest.raises(BrokenAssets, match=rf"{importer}\.js.*nobody\.js"):
        read_assets(folder(tmp_path, **{importer: text}))


def test_a_folder_without_a_launcher_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokenAssets, match=r"widget\.js"):
        read_assets(tmp_path)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/widget.js", "text/javascript; charset=utf-8"),
        ("/widget/panel.js", "text/javascript; charset=utf-8"),
        ("/widget/coccinelle.d.ts", "application/typescript; charset=utf-8"),
    ],
)
async def test_a_file_under_its_own_name_is_for_any_page_and_for_five_minutes(
    tmp_path: Path, path: str, kind: str
) -> None:
    async with client(folder(tmp_path)) as browser:
        whole = await browser.get(path, headers={"Origin": "https://shop.example"})
        head = await browser.head(path)

    assert whole.headers["content-type"] == kind
    assert whole.headers["cache-control"] == "public, max-age=300"
    assert whole.headers["access-control-allow-origin"] == "*"
    assert whole.headers["cross-origin-resource-policy"] == "cross-origin"
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert whole.headers["vary"] == "Accept-Encoding"
    assert "set-cookie" not in whole.headers
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))


async def test_a_name_of_another_version_gets_the_file_of_this_one_which_nobody_keeps(
    tmp_path: Path,
) -> None:
    async with client(folder(tmp_path)) as browser:
        stale = await browser.get("/widget/panel.0123456789abcdef.js")
        stable = await browser.get("/widget/panel.js")

    assert stale.status_code == 200
    assert stale.text == stable.text
    assert stale.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "/widget/nobody.js",
        "/widget/nobody.0123456789abcdef.js",
        "/widget/panel.0123.js",
        "/widget/coccinelle.0123456789abcdef.d.ts",
        "/widget/widget.js",
        "/widget/notes.txt",
        "/widget/..%2Fassets.py",
        "/widget/",
    ],
)
async def test_what_is_no_file_of_the_widget_is_not_found(tmp_path: Path, path: str) -> None:
    async with client(folder(tmp_path)) as browser:
        answer = await browser.get(path)

    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("accepted", "is_compressed"),
    [
        ("gzip", True),
        ("gzip, deflate, br, zstd", True),
        ("br;q=1.0, GZIP;q=0.8", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("br", False),
        ("identity", False),
        ("", False),
    ],
)
async def test_what_is_sent_is_compressed_for_whoever_accepts_it(
    tmp_path: Path, accepted: str, is_compressed: bool
) -> None:
    async with client(folder(tmp_path)) as browser:
        plain = await browser.get("/widget/texts.js")
        answer = await browser.get("/widget/texts.js", headers={"Accept-Encoding": accepted})

    assert answer.text == plain.text == FILES["texts.js"]
    assert (answer.headers.get("content-encoding") == "gzip") is is_compressed
    assert (answer.headers["etag"] != plain.headers["etag"]) is is_compressed


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_what_a_browser_has_is_not_sent_again(tmp_path: Path, encoding: str) -> None:
    async with client(folder(tmp_path)) as browser:
        browser.headers["Accept-Encoding"] = encoding
        tag = (await browser.get("/widget.js")).headers["etag"]
        told = [tag, f"W/{tag}", f'"other", {tag}', "*"]
        same = [await browser.get("/widget.js", headers={"If-None-Match": t}) for t in told]
        other = await browser.get("/widget.js", headers={"If-None-Match": '"other"'})

    assert [(answer.status_code, answer.content) for answer in same] == [(304, b"")] * 4
    assert all(answer.headers["etag"] == tag for answer in same)
    assert all(answer.headers["cache-control"] == "public, max-age=300" for answer in same)
    assert other.status_code == 200


def test_what_is_compressed_is_what_is_sent_plain(tmp_path: Path) -> None:
    assets = read_assets(folder(tmp_path))

    for asset in (assets.launcher, *assets.files.values()):
        assert gzip.decompress(asset.gzipped) == asset.content


def test_the_widget_is_as_light_as_it_is_said_to_be() -> None:
    assets = read_assets(STATIC)
    modules = [asset for name, asset in assets.files.items() if name.endswith(".js")]
    launcher = len(assets.launcher.gzipped)

    assert launcher <= LAUNCHER_BYTES
    assert launcher + sum(len(module.gzipped) for module in modules) <= WIDGET_BYTES


def test_the_launcher_asks_for_every_module_at_once() -> None:
    """Or what a module imports would be asked for only when that module is there."""
    assets = read_assets(STATIC)
    named = set(re.findall(r'"\./widget/([^"]+)"', assets.launcher.content.decode()))
    modules = {name: asset for name, asset in assets.files.items() if name.endswith(".js")}

    assert named == {f"{name[:-3]}.{asset.digest}.js" for name, asset in modules.items()}


def test_nothing_is_loaded_from_anywhere_else() -> None:
    assets = read_assets(STATIC)
    modules = {name: asset for name, asset in assets.files.items() if name.endswith(".js")}
    texts = [asset.content.decode() for asset in (assets.launcher, *modules.values())]
    named = r'(?:\bfrom|\bimport)\s*\(?\s*"([^"]+)"'
    imported = [path for text in texts for path in re.findall(named, text)]
    hashed = {f"{name[:-3]}.{asset.digest}.js" for name, asset in modules.items()}

    assert imported
    assert {path.rpartition("/")[2] for path in imported} <= hashed
