"""Coming in by an issuer of OpenID Connect, in a browser; and what does not come in that way."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx2
import jwt
import pytest

from coccinelle.foundation.postgres import Addresses
from coccinelle.house import House
from coccinelle.providers.oidc import Identity
from coccinelle.tenants.accounts import identities, store
from coccinelle.tenants.accounts.cookies import LOCAL_COOKIE
from coccinelle.tenants.accounts.jobs import made_reset
from coccinelle.tenants.accounts.tickets import LOCAL_COOKIE as TICKET
from tests import oidc
from tests.accounts import PASSWORD, Account, signed_up
from tests.dashboard.conftest import Reader
from tests.dashboard.test_account_pages import wrong
from tests.living import living
from tests.oidc import Issuer, Key, issuing, signed

START = "/login/oidc"
CALLBACK = f"{START}/callback"
CONFIRM = f"{START}/confirm"


@dataclass(frozen=True)
class Harbour:
    """A server that trusts an issuer, and another browser whenever one is needed."""

    house: House
    url: str
    issuer: Issuer

    def browser(self, account: Account | None = None, **headers: str) -> httpx2.AsyncClient:
        cookies = {LOCAL_COOKIE: account.token} if account else {}
        return httpx2.AsyncClient(base_url=self.url, cookies=cookies, headers=headers, timeout=30)


@pytest.fixture(scope="module")
async def harbour(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Harbour]:
    async with issuing() as issuer:
        environment = oidc.environment(issuer)
        data = tmp_path_factory.mktemp("harbour")
        async with living(addresses, data, environment=environment) as (house, url):
            yield Harbour(house, url, issuer)


@pytest.fixture
def issuer(harbour: Harbour) -> Issuer:
    """The issuer, honest again and with somebody new at its browser."""
    harbour.issuer.begin_again()
    return harbour.issuer


@pytest.fixture
async def reader(harbour: Harbour, issuer: Issuer) -> AsyncIterator[Reader]:
    async with harbour.browser() as client:
        yield Reader(client)


async def sent_back(reader: Reader, path: str = START) -> str:
    """The address at which the issuer sends this browser back."""
    leaving = await reader.get(path)
    assert leaving.status_code == 303, leaving.text
    async with httpx2.AsyncClient() as there:
        answer = await there.get(leaving.headers["location"])
    return str(answer.headers["location"]).removeprefix(str(reader.client.base_url).rstrip("/"))


async def go(reader: Reader, path: str = START) -> httpx2.Response:
    """There and back."""
    return await reader.get(await sent_back(reader, path))


async def is_in(reader: Reader) -> bool:
    return (await reader.get("/dashboard")).status_code == 200


async def opened(reader: Reader, company: str = "Garage du Port") -> None:
    """An account by the issuer, and logged in."""
    assert (await go(reader)).headers["location"] == CONFIRM
    answer = await reader.send(CONFIRM, {"name": "Léa Martin", "company_name": company})
    assert answer.headers.get("location") == "/onboarding", answer.text


async def is_linked(harbour: Harbour, issuer: Issuer) -> bool:
    """Whether the issuer's person opens an account."""
    who = Identity(issuer.url, issuer.person.subject, None, "")
    async with harbour.house.db.directory() as tx:
        return await identities.found(tx, who) is not None


async def test_what_is_asked_of_the_issuer_binds_the_answer_to_this_browser(
    reader: Reader, issuer: Issuer
) -> None:
    answers = [await reader.get(START) for _ in range(2)]
    asked = [parse_qs(urlsplit(one.headers["location"]).query) for one in answers]
    cookie = answers[0].headers["set-cookie"].lower()

    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]
        assert len(asked[0][name][0]) == 43
    assert asked[0]["response_type"] == ["code"]
    assert asked[0]["code_challenge_method"] == ["S256"]
    assert asked[0]["scope"] == ["openid email profile"]
    assert asked[0]["redirect_uri"][0].endswith(CALLBACK)
    assert cookie.startswith(TICKET)
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert asked[0]["code_challenge"][0] not in cookie


async def test_the_ticket_of_a_public_address_is_for_https_and_for_this_host_alone(
    harbour: Harbour, addresses: Addresses, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    environment = oidc.environment(
        issuer, COCCINELLE_PUBLIC_URL="https://chat.example.com", COCCINELLE_OIDC_SIGNUP="false"
    )
    data = tmp_path_factory.mktemp("public")
    async with (
        living(addresses, data, environment=environment) as (_, url),
        httpx2.AsyncClient(base_url=url, headers={"Host": "chat.example.com"}) as browser,
    ):
        answer = await browser.get(START)
        cookie = answer.headers["set-cookie"].lower()
        asked = parse_qs(urlsplit(answer.headers["location"]).query)
        async with httpx2.AsyncClient() as there:
            back = await there.get(answer.headers["location"])
        path = back.headers["location"].removeprefix("https://chat.example.com")
        ticket = answer.headers["set-cookie"].partition(";")[0]
        refused = await browser.get(path, headers={"Cookie": ticket})

    assert asked["redirect_uri"] == [f"https://chat.example.com{CALLBACK}"]
    assert cookie.startswith("__host-coccinelle-oidc=")
    assert "; secure" in cookie
    assert refused.status_code == 403
    assert "Demandez une invitation" in refused.text


async def test_somebody_new_opens_an_account_and_needs_no_password(
    harbour: Harbour, reader: Reader, issuer: Issuer
) -> None:
    assert f"Continuer avec {oidc.environment(issuer)['COCCINELLE_OIDC_NAME']}" in (
        await reader.see("/signup")
    )
    back = await go(reader)
    asked = await reader.see(CONFIRM)
    blank = await reader.send(CONFIRM, {"name": "", "company_name": ""})
    answer = await reader.send(CONFIRM, {"name": "Léa Martin", "company_name": "Garage"})
    again = await reader.send(CONFIRM, {"name": "Léa Martin", "company_name": "Garage"})

    assert (back.status_code, back.headers["location"]) == (303, CONFIRM)
    assert issuer.person.email in asked
    assert 'value="Léa Martin"' in asked
    assert (blank.status_code, set(wrong(blank.text))) == (422, {"name"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/onboarding")
    assert again.status_code == 403
    assert await is_in(reader)
    async with harbour.browser() as client:
        other = Reader(client)
        assert (await go(other)).headers["location"] == "/dashboard"
        assert await is_in(other)


async def test_an_account_that_is_there_is_linked_by_its_password_only(
    harbour: Harbour, reader: Reader, issuer: Issuer
) -> None:
    lea = await signed_up(reader.client, email=issuer.person.email)
    await go(reader)
    asked = await reader.see(CONFIRM)
    refused = await reader.send(CONFIRM, {"password": "un mot de passe faux"})

    assert 'name="password"' in asked
    assert (refused.status_code, set(wrong(refused.text))) == (401, {"password"})
    assert not await is_in(reader)
    assert not await is_linked(harbour, issuer)

    answer = await reader.send(CONFIRM, {"password": lea.password})
    assert answer.headers["location"] == "/dashboard"
    assert "a relié son compte" in await reader.see("/dashboard/settings/audit")
    async with harbour.browser() as client:
        assert (await go(Reader(client))).headers["location"] == "/dashboard"


async def test_she_is_known_by_her_identity_whatever_becomes_of_her_address(
    harbour: Harbour, reader: Reader, issuer: Issuer
) -> None:
    await opened(reader)
    issuer.person.email, issuer.person.email_verified = "moved@example.com", False

    async with harbour.browser() as client:
        assert (await go(Reader(client))).headers["location"] == "/dashboard"


@pytest.mark.parametrize("said", [False, "false", None, 0, "yes", {}])
async def test_an_address_that_the_issuer_does_not_vouch_for_opens_nothing(
    reader: Reader, issuer: Issuer, said: Any
) -> None:
    lea = await signed_up(reader.client, email=issuer.person.email)
    issuer.person.email_verified = said

    answer = await go(reader)

    assert answer.status_code == 403
    assert "ne confirme pas" in answer.text
    assert lea.email not in answer.text
    assert (await reader.get(CONFIRM)).status_code == 403


async def test_where_she_wanted_to_go_is_kept_and_is_no_other_site(
    harbour: Harbour, reader: Reader, issuer: Issuer
) -> None:
    await opened(reader)
    for wanted, found in (
        ("/dashboard/settings/keys?x=1", "/dashboard/settings/keys?x=1"),
        ("https://evil.example/", "/dashboard"),
        ("//evil.example", "/dashboard"),
        ("/\\evil.example", "/dashboard"),
    ):
        async with harbour.browser() as client:
            query = str(httpx2.QueryParams({"next": wanted}))
            assert (await go(Reader(client), f"{START}?{query}")).headers["location"] == found


async def invited(harbour: Harbour, owner: Account, email: str) -> str:
    async with harbour.browser() as client:
        answer = await client.post(
            "/api/v1/auth/invitations", json={"email": email}, headers=owner.headers
        )
        return str(answer.json()["link"]).partition("token=")[2]


async def test_an_invitation_is_accepted_by_whom_the_issuer_says_it_is_for(
    harbour: Harbour, reader: Reader, issuer: Issuer
) -> None:
    async with harbour.browser() as client:
        zoe = await signed_up(client, name="Zoé Blanc", company_name="Salon Zoé")
    token = await invited(harbour, zoe, issuer.person.email)
    page = await reader.see(f"/invitation?token={token}")

    assert f"/login/oidc?invitation={token}" in page
    assert (await go(reader, f"{START}?invitation={token}")).headers["location"] == CONFIRM
    assert "Rejoignez Salon Zoé" in await reader.see(CONFIRM)
    answer = await reader.send(CONFIRM, {"name": "Paul"})
    assert answer.headers["location"] == "/dashboard"
    assert "<span>Salon Zoé</span>" in await reader.see("/dashboard")

    other = await invited(harbour, zoe, "somebody-else@example.com")
    refused = await go(reader, f"{START}?invitation={other}")
    assert refused.status_code == 403
    assert "pour une autre adresse" in refused.text
    gone = await go(reader, f"{START}?invitation={token}")
    assert gone.status_code == 404


async def test_no_link_of_another_site_has_somebody_join_a_business_unasked(
    harbour: Harbour, reader: Reader, issuer: Issuer
) -> None:
    await opened(reader)
    async with harbour.browser() as client:
        trap = await signed_up(client, company_name="Le Piège")
    token = await invited(harbour, trap, issuer.person.email)
    path = f"{START}?invitation={token}"

    for site in ("cross-site", "same-site", "none"):
        asked = await reader.get(path, **{"Sec-Fetch-Site": site})
        assert asked.headers["location"] == f"/invitation?token={token}"
    clicked = await reader.get(path, **{"Sec-Fetch-Site": "same-origin"})
    assert clicked.headers["location"].startswith(issuer.url)


async def test_who_works_for_several_businesses_chooses_and_changes(
    harbour: Harbour, reader: Reader, issuer: Issuer
) -> None:
    await opened(reader, "Premier Garage")
    async with harbour.browser() as client:
        zoe = await signed_up(client, company_name="Second Salon")
    token = await invited(harbour, zoe, issuer.person.email)
    joined = await go(reader, f"{START}?invitation={token}")
    assert joined.headers["location"] == "/dashboard"
    assert "<span>Second Salon</span>" in await reader.see("/dashboard")

    async with harbour.browser() as client:
        other = Reader(client)
        back = await go(other, f"{START}?next=/dashboard/settings")
        assert back.headers["location"] == "/dashboard/settings/businesses?next=/dashboard/settings"
        before = client.cookies[LOCAL_COOKIE]
        answer = await other.send(
            "/dashboard/settings/businesses", {"tenant": zoe.slug, "next": "/dashboard/settings"}
        )
        assert answer.headers["location"] == "/dashboard/settings"
        assert "<span>Second Salon</span>" in await other.see("/dashboard")
        assert "Changer d’entreprise" in await other.see("/dashboard/settings")
        async with harbour.browser(Cookie=f"{LOCAL_COOKIE}={before}") as old:
            assert (await old.get("/dashboard")).status_code == 303
    async with harbour.browser() as client:
        foreign = await signed_up(client, company_name="Ailleurs")
    refused = await reader.send("/dashboard/settings/businesses", {"tenant": foreign.slug})
    assert refused.status_code == 404
    assert "<span>Second Salon</span>" in await reader.see("/dashboard")


async def test_the_answer_of_another_browser_opens_nothing(
    harbour: Harbour, reader: Reader, issuer: Issuer
) -> None:
    """Neither to who steals an answer, nor to who is made to open the thief's."""
    await opened(reader)
    stolen = await sent_back(reader)
    async with harbour.browser() as client:
        thief = Reader(client)
        without = await thief.get(stolen)
        await thief.get(START)
        with_own = await thief.get(stolen)

        assert (without.status_code, with_own.status_code) == (403, 403)
        assert "autre navigateur" in without.text
        assert not await is_in(thief)


@pytest.mark.parametrize("sent", ["", "x" * 43, None])
async def test_an_answer_without_the_state_that_was_sent_opens_nothing(
    reader: Reader, issuer: Issuer, sent: str | None
) -> None:
    await opened(reader)
    reader.client.cookies.delete(LOCAL_COOKIE)
    back = httpx2.URL(await sent_back(reader))
    changed = (
        back.copy_remove_param("state") if sent is None else back.copy_set_param("state", sent)
    )

    assert (await reader.get(str(changed))).status_code == 403
    assert not await is_in(reader)


async def test_an_answer_is_good_once(harbour: Harbour, reader: Reader, issuer: Issuer) -> None:
    await opened(reader)
    back = await sent_back(reader)
    ticket = reader.client.cookies[TICKET]
    first = await reader.get(back)
    reader.client.cookies.delete(LOCAL_COOKIE)
    second = await reader.get(back)
    reader.client.cookies.set(TICKET, ticket)
    third = await reader.get(back)

    assert [first.status_code, second.status_code, third.status_code] == [303, 403, 403]
    assert not await is_in(reader)


async def test_a_ticket_that_was_written_by_somebody_else_opens_nothing(
    harbour: Harbour, reader: Reader, issuer: Issuer
) -> None:
    await signed_up(reader.client, email=issuer.person.email)
    await go(reader)
    ticket = reader.client.cookies[TICKET]
    content, _, signature = ticket.partition(".")
    padded = content.lstrip(".") + "=" * (-len(content) % 4)
    # Of the last character some bits may be of no meaning: the first one is whole.
    altered = ("B" if signature[0] == "A" else "A") + signature[1:]
    for forged in (f"{content}.{altered}", f"{padded}.{signature}x", ""):
        async with harbour.browser(Cookie=f"{TICKET}={forged}") as client:
            assert (await client.get(CONFIRM)).status_code == 403
    # What is kept on the way there is no proof of who came back.
    async with harbour.browser() as client:
        await Reader(client).get(START)
        assert (await client.get(CONFIRM)).status_code == 403


def unsigned(issuer: Issuer, claims: dict[str, Any]) -> str:
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    coded = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts
    ]
    return ".".join([*coded, ""])


def by_public_key(issuer: Issuer, claims: dict[str, Any]) -> str:
    """HS256 with the public key as the secret (RFC 8725, section 2.1)."""
    header = {"alg": "HS256", "kid": issuer.key.kid}
    coded = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in (header, claims)
    ]
    mac = hmac.new(issuer.key.public_pem, ".".join(coded).encode(), "sha256").digest()
    return ".".join([*coded, base64.urlsafe_b64encode(mac).decode().rstrip("=")])


def by_another_key(issuer: Issuer, claims: dict[str, Any]) -> str:
    headers = {"kid": issuer.key.kid}
    return jwt.encode(claims, STRANGER.private, algorithm="RS256", headers=headers)


def by_an_unknown_key(issuer: Issuer, claims: dict[str, Any]) -> str:
    headers = {"kid": STRANGER.kid, "jwk": STRANGER.published()}
    return jwt.encode(claims, STRANGER.private, algorithm="RS256", headers=headers)


def saying(**changes: Any) -> Callable[[Issuer, dict[str, Any]], str]:
    def forge(issuer: Issuer, claims: dict[str, Any]) -> str:
        changed = {**claims, **changes}
        return signed(issuer, {name: value for name, value in changed.items() if value is not None})

    return forge


STRANGER = Key()
FORGED = {
    "unsigned": unsigned,
    "the public key as a secret": by_public_key,
    "another key of the same name": by_another_key,
    "a key that it brings itself": by_an_unknown_key,
    "another nonce": saying(nonce="x" * 43),
    "no nonce": saying(nonce=None),
    "a nonce that is no text": saying(nonce=7),
    "for somebody else": saying(aud="another-client"),
    "for others, who asked for it": saying(
        aud=["another-client", "coccinelle"], azp="another-client"
    ),
    "for others, and nobody asked for it": saying(aud=["another-client", "coccinelle"]),
    "for nobody": saying(aud=None),
    "of another issuer": saying(iss="https://issuer.example"),
    "of nobody": saying(iss=None),
    "expired": saying(exp=1_700_000_000),
    "for ever": saying(exp=None),
    "not yet": saying(nbf=4_000_000_000),
    "from the future": saying(iat=4_000_000_000),
    "about nobody": saying(sub=None),
    "about a blank": saying(sub=""),
    "about what cannot be kept": saying(sub="a\x00b"),
    "about a number": saying(sub=7),
    "no token at all": lambda issuer, claims: "a.b.c",
    "an endless one": lambda issuer, claims: "a" * 100_000,
}


@pytest.mark.parametrize("forged", FORGED)
async def test_a_token_that_proves_nothing_opens_nothing(
    harbour: Harbour, reader: Reader, issuer: Issuer, forged: str
) -> None:
    await opened(reader)
    reader.client.cookies.delete(LOCAL_COOKIE)
    issuer.forge = FORGED[forged]

    answer = await go(reader)

    assert answer.status_code == 403, forged
    assert "vérifier qui vous êtes" in answer.text
    assert not await is_in(reader)


async def test_who_turns_back_at_the_issuer_may_begin_again(reader: Reader, issuer: Issuer) -> None:
    issuer.refuses = "access_denied"
    answer = await go(reader)
    issuer.refuses = "<script>alert(1)</script>"
    odd = await go(reader)

    assert (answer.status_code, odd.status_code) == (403, 403)
    assert "interrompue avant la fin" in answer.text
    assert "alert(1)" not in odd.text
    issuer.refuses = None
    await opened(reader)


@pytest.mark.parametrize(
    ("status", "body", "seen"),
    [(500, "{}", 503), (200, "<html>", 503), (200, "[]", 503), (200, "{}", 403), (401, "{}", 403)],
)
async def test_an_issuer_that_fails_is_said_to_and_nobody_is_in(
    reader: Reader, issuer: Issuer, status: int, body: str, seen: int
) -> None:
    issuer.answers["/token"] = (status, body)
    answer = await go(reader)

    assert answer.status_code == seen
    assert ("retry-after" in answer.headers) is (seen == 503)
    assert 'href="/login"' in answer.text
    assert not await is_in(reader)


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "Léa\x00\ud800\nMartin", "é" * 5_000, ["Léa"], None, 7]
)
async def test_whatever_an_issuer_calls_somebody_she_comes_in(
    reader: Reader, issuer: Issuer, name: Any
) -> None:
    issuer.person.name = name
    await go(reader)
    page = (await reader.get(CONFIRM)).text

    assert 'name="company_name"' in page
    assert "<script>alert" not in page
    answer = await reader.send(CONFIRM, {"name": "Léa", "company_name": "Garage"})
    assert answer.headers["location"] == "/onboarding"


async def test_her_identity_can_be_unlinked_once_she_has_another_way_in(
    harbour: Harbour, reader: Reader, issuer: Issuer
) -> None:
    await opened(reader)
    account = "/dashboard/settings/account"
    page = await reader.see(account)
    path = page.partition("/identities/")[2].partition("/unlink")[0]
    unlink = f"{account}/identities/{path}/unlink"
    async with harbour.browser() as client:
        stranger = await signed_up(client)
    async with harbour.browser(stranger) as client:
        foreign = await Reader(client).send(unlink)

    kept = await reader.send(unlink)

    assert "Choisir un mot de passe" in page
    assert foreign.status_code == 404
    assert kept.status_code == 409
    assert "seul moyen" in kept.text
    assert await is_linked(harbour, issuer)
    await choose_password(harbour, issuer.person.email)
    answer = await reader.send("/login", {"email": issuer.person.email, "password": PASSWORD})
    assert answer.headers["location"] == "/dashboard"
    assert "Changer de mot de passe" in await reader.see(account)
    assert (await reader.send(unlink)).headers["location"] == f"{account}?done=unlinked"
    assert not await is_linked(harbour, issuer)


async def choose_password(harbour: Harbour, email: str) -> None:
    """As by a mailed link, where there was no password before."""
    db = harbour.house.db
    async with db.directory() as tx:
        known = await store.known_by_email(tx, email)
    assert known is not None
    assert known.password_hash is None
    made = await made_reset(db, known.id, uuid4(), minutes=5)
    assert made is not None
    async with harbour.browser() as client:
        body = {"token": made[1].secret, "password": PASSWORD}
        answer = await client.post("/api/v1/auth/password/reset", json=body)
        assert answer.status_code == 204, answer.text


async def test_without_a_password_no_password_opens_the_account(
    reader: Reader, issuer: Issuer
) -> None:
    await opened(reader)
    body = {"current_password": "x", "password": "un autre chat sur le toit"}
    changed = await reader.client.post(
        "/api/v1/auth/password/change", json=body, headers={"Origin": str(reader.client.base_url)}
    )
    reader.client.cookies.clear()
    for password in ("None", "null", PASSWORD):
        sent = {"email": issuer.person.email, "password": password}
        assert (await reader.send("/login", sent)).status_code == 401
    assert changed.status_code == 403


async def test_coming_in_again_ends_the_session_before(
    harbour: Harbour, reader: Reader, issuer: Issuer
) -> None:
    await opened(reader)
    before = reader.client.cookies[LOCAL_COOKIE]
    await go(reader)
    after = reader.client.cookies[LOCAL_COOKIE]

    assert before != after
    assert await is_in(reader)
    async with harbour.browser(Cookie=f"{LOCAL_COOKIE}={before}") as old:
        assert (await old.get("/dashboard")).status_code == 303


async def test_where_no_issuer_is_named_there_is_no_such_way(anybody: Reader) -> None:
    assert "/login/oidc" not in (await anybody.see("/login")) + (await anybody.see("/signup"))
    for path in (START, CALLBACK, CONFIRM):
        assert (await anybody.get(path)).status_code == 404
