"""The ground of the pages: policy, language, fragments, who may see them, and what goes wrong."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from uuid import uuid4

import pytest

from coccinelle.dashboard.navigation import SECTIONS, Place, place_of
from coccinelle.dashboard.pages import local_path
from coccinelle.dashboard.rendering import FOR_EVER, SHORT, STATIC_PATH, asset
from tests.dashboard.conftest import Reader, Town

VENDOR = Path("src/coccinelle/dashboard/static/vendor")
PUBLIC = {
    *("/signup", "/login", "/password/forgot", "/reset", "/invitation"),
    *("/login/oidc", "/login/oidc/callback", "/login/oidc/confirm"),
}
INLINE = re.compile(r"<[^>]+\s(on[a-z]+|style)=|javascript:|<style|hx-on", re.IGNORECASE)


def plain(town: Town) -> list[str]:
    """Pages whose address names nothing."""
    return sorted(path for path in town.routes("GET") if "{" not in path)


async def test_every_page_has_the_strict_policy_and_a_nonce_of_its_own(
    town: Town, owner: Reader, anybody: Reader
) -> None:
    nonces, seen = [], 0
    for path in plain(town):
        answer = await (anybody if path in PUBLIC else owner).get(path)
        if answer.status_code == 303:
            continue
        policy = answer.headers["content-security-policy"]
        nonce = re.search(r"'nonce-([\w-]{20,})'", policy)
        assert nonce, path
        for rule in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"):
            assert rule in policy, path
        assert "form-action 'self'" in policy, path
        assert "unsafe" not in policy, path
        assert "*" not in policy, path
        assert answer.headers["cache-control"] == "no-store", path
        assert answer.headers["referrer-policy"] == "same-origin", path
        scripts = re.findall(r"<script[^>]*>", answer.text)
        assert all(nonce[1] in script for script in scripts), path
        assert INLINE.search(answer.text) is None, path
        nonces.append(nonce[1])
        seen += 1

    assert seen >= 10
    assert len(set(nonces)) == len(nonces)


async def test_without_a_session_every_page_but_the_public_ones_leads_to_the_log_in(
    town: Town, anybody: Reader
) -> None:
    strange = []
    for path in plain(town):
        answer = await anybody.get(path)
        leads = answer.status_code == 303 and answer.headers["location"].startswith("/login")
        if leads == (path in PUBLIC):
            strange.append((path, answer.status_code))
    for path in town.routes("POST"):
        if path in PUBLIC | {"/language"}:
            continue
        answer = await anybody.send(_named(path))
        if (answer.status_code, answer.headers.get("location")) != (303, "/login"):
            strange.append((path, answer.status_code))

    assert strange == []


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/dashboard", Place("activity", "/dashboard")),
        ("/dashboard/insights", Place("activity", "/dashboard/insights")),
        ("/dashboard/knowledge/sources/7", Place("assistant", "/dashboard/knowledge")),
        ("/dashboard/knowledge/search", Place("assistant", "/dashboard/knowledge/search")),
        ("/dashboard/knowledge/searching", Place("assistant", "/dashboard/knowledge")),
        ("/onboarding/staff", Place("assistant", "/onboarding")),
        ("/dashboard/elsewhere", Place()),
        ("/login", Place()),
    ],
)
def test_a_page_stands_under_its_nearest_tab(path: str, place: Place) -> None:
    assert place_of(path) == place


async def test_every_entry_and_tab_leads_to_a_page_that_is_marked_in_them(owner: Reader) -> None:
    for path in (path for tabs in SECTIONS.values() for path in tabs if path != "/onboarding"):
        answer = await owner.get(path)
        assert answer.status_code == 200, path
        current = re.findall(r'<a href="([^"]+)" aria-current="page"', answer.text)
        assert set(current) == {path}, path


def _named(path: str) -> str:
    """An address of a thing that nobody has."""
    return re.sub(r"\{[^}]+\}", str(uuid4()), path.replace("{number}", "7"))


async def test_the_bare_address_leads_to_the_home_page(anybody: Reader) -> None:
    answer = await anybody.get("/")

    assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard")


async def test_no_form_takes_what_another_site_sends(town: Town, owner: Reader) -> None:
    taken = []
    tricks = (
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Content-Type": "text/plain"},
    )
    for path in town.routes("POST"):
        for trick in tricks:
            answer = await owner.send(_named(path), None, **trick)
            if answer.status_code != 403 or "text/html" not in answer.headers["content-type"]:
                taken.append((path, trick, answer.status_code))

    assert taken == []
    assert (await owner.get("/dashboard")).status_code == 200


async def test_nobody_is_made_to_log_in_by_another_site(town: Town, anybody: Reader) -> None:
    form = {"email": town.zoe.email, "password": town.zoe.password}
    for path in sorted(PUBLIC):
        answer = await anybody.send(path, form, Origin="https://evil.example")
        assert answer.status_code == 403, path
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/%0d%0a//evil.example\r\nX: y",
        "evil.example",
        "///evil.example",
        "http:/evil.example",
        "/" + "a" * 600,
        "",
    ],
)
async def test_after_logging_in_nobody_is_sent_to_another_site(
    town: Town, anybody: Reader, wanted: str
) -> None:
    form = {"email": town.lea.email, "password": town.lea.password, "next": wanted}
    answer = await anybody.send("/login", form)

    assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard")


def test_a_path_of_ours_is_kept_with_its_question() -> None:
    assert local_path("/dashboard/settings/audit?before=1") == "/dashboard/settings/audit?before=1"


async def test_the_way_to_the_log_in_leads_back(town: Town, anybody: Reader) -> None:
    asked = await anybody.get("/dashboard/settings/members?done=changed")
    page = await anybody.get(asked.headers["location"])
    value = re.search(r'name="next" value="([^"]+)"', page.text)

    assert value
    assert value[1] == "/dashboard/settings/members?done=changed"


async def test_htmx_gets_what_changes_and_everybody_else_the_whole_page(owner: Reader) -> None:
    whole = await owner.get("/dashboard/settings")
    part = await owner.get("/dashboard/settings", **{"HX-Request": "true"})
    restored = await owner.get(
        "/dashboard/settings", **{"HX-Request": "true", "HX-History-Restore-Request": "true"}
    )

    assert "<html" in whole.text
    assert "<html" in restored.text
    assert "<html" not in part.text
    assert "<h1>Réglages</h1>" in whole.text
    assert "<h1>Réglages</h1>" in part.text


async def test_htmx_without_a_session_is_told_where_to_log_in(anybody: Reader) -> None:
    answer = await anybody.get("/dashboard/settings", **{"HX-Request": "true"})

    assert answer.status_code == 204
    assert answer.headers["hx-redirect"] == "/login?next=/dashboard/settings"


async def test_a_role_that_is_too_low_gets_a_page_that_says_so(town: Town) -> None:
    async with town.reader(town.member) as member:
        for path in ("company", "keys", "audit"):
            answer = await member.get(f"/dashboard/settings/{path}")
            assert answer.status_code == 403, path
            assert "Cette page n’est pas pour vous" in answer.text
        menu = await member.see("/dashboard/settings")

    assert "/dashboard/settings/members" in menu
    assert "/dashboard/settings/keys" not in menu


async def test_what_is_not_there_is_a_page_in_the_readers_language(
    town: Town, owner: Reader
) -> None:
    french = await owner.get("/dashboard/nothing")
    async with town.reader(town.lea, **{"Accept-Language": "en"}) as reader:
        english = await reader.get("/dashboard/nothing")

    assert (french.status_code, english.status_code) == (404, 404)
    assert "Il n’y a rien ici" in french.text
    assert "There is nothing here" in english.text


async def test_the_language_that_is_chosen_wins_over_the_browsers(anybody: Reader) -> None:
    assert '<html lang="en">' in (await anybody.get("/login", **{"Accept-Language": "en"})).text
    chosen = await anybody.send("/language", {"lang": "en", "next": "/login"})
    assert chosen.headers["location"] == "/login"
    page = await anybody.get("/login", **{"Accept-Language": "fr"})
    assert "Welcome back!" in page.text
    odd = await anybody.send("/language", {"lang": "xx", "next": "https://evil.example"})
    assert odd.headers["location"] == "/dashboard"
    assert "set-cookie" not in odd.headers


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"email=a%00b&password=x", "application/x-www-form-urlencoded"),
        (b"email=%ff%fe&password=x", "application/x-www-form-urlencoded"),
        (b"&".join(b"a=1" for _ in range(600)), "application/x-www-form-urlencoded"),
        (b'{"email": "a@example.com"}', "application/json"),
        (b"email=\xff", "application/x-www-form-urlencoded"),
    ],
)
async def test_a_form_that_cannot_be_read_is_refused(
    anybody: Reader, content: bytes, kind: str
) -> None:
    answer = await anybody.client.post("/login", content=content, headers={"Content-Type": kind})

    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("text/html")
    assert 'name="email"' not in answer.text  # Not even looked at by the page.


async def test_a_form_that_is_too_large_is_refused_by_a_page(anybody: Reader) -> None:
    answer = await anybody.send("/login", {"email": "a" * 2_000_000})

    assert answer.status_code == 413
    assert answer.headers["content-type"].startswith("text/html")


async def test_files_are_kept_for_ever_under_the_name_of_their_content(anybody: Reader) -> None:
    current = await anybody.get(asset("style.css"))
    other = await anybody.get(f"{STATIC_PATH}/style.css?v=0123456789abcdef")
    none = await anybody.get(f"{STATIC_PATH}/../pages.py")

    assert current.headers["cache-control"] == FOR_EVER
    assert other.headers["cache-control"] == SHORT
    assert none.status_code == 404


def test_files_of_others_are_as_they_were_published() -> None:
    told = (VENDOR / "README.md").read_text("utf-8")
    files = [file for file in VENDOR.iterdir() if file.name != "README.md"]

    assert files
    for file in files:
        assert hashlib.sha256(file.read_bytes()).hexdigest() in told, file.name
