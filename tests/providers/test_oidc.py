"""An issuer that is down, slow, replaced, or that points elsewhere; and keys that come and go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from coccinelle.foundation.outgoing import Outgoing
from coccinelle.providers.oidc import Attempt, Client, NotProven, Oidc, ProviderDown, new_attempt
from tests.listening import listening
from tests.oidc import CLIENT_ID, CLIENT_SECRET, Issuer, Key, issuing, signed

BACK = "http://localhost:8000/login/oidc/callback"


@pytest.fixture(scope="module")
async def running() -> AsyncIterator[Issuer]:
    async with issuing() as found:
        yield found


@pytest.fixture
def issuer(running: Issuer) -> Issuer:
    running.begin_again()
    return running


@asynccontextmanager
async def trusting(
    issuer: Issuer,
    *,
    url: str | None = None,
    allow: tuple[str, ...] = (),
    plain: tuple[str, ...] | None = None,
    timeout_seconds: float = 20,
    pause_seconds: float = 0,
    **more: Any,
) -> AsyncIterator[Oidc]:
    """What is asked who people are, where the issuer may be asked without https."""
    netloc = urlsplit(issuer.url).netloc
    own = frozenset({netloc, *allow})
    without_https = own if plain is None else frozenset({netloc, *plain})
    outgoing = Outgoing(allow=own, max_bytes=100_000, timeout_seconds=timeout_seconds)
    client = Client(url or issuer.url, CLIENT_ID, CLIENT_SECRET, **more)
    yield Oidc(client, outgoing, plain=without_https, pause_seconds=pause_seconds)
    await outgoing.aclose()


async def answer(oidc: Oidc, issuer: Issuer, attempt: Attempt) -> dict[str, str]:
    """What the issuer sends a browser back with."""
    url = await oidc.authorization_url(attempt, redirect_uri=BACK)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    back = parse_qs(urlsplit(issuer.authorized(asked)).query)
    return {name: values[0] for name, values in back.items()}


async def subject(oidc: Oidc, issuer: Issuer) -> str:
    """Who comes back, once."""
    attempt = new_attempt()
    told = await answer(oidc, issuer, attempt)
    return (await oidc.identity(attempt, told, redirect_uri=BACK)).subject


async def test_it_is_asked_once_what_it_publishes(issuer: Issuer) -> None:
    async with trusting(issuer) as oidc:
        found = {await subject(oidc, issuer) for _ in range(3)}

    assert found == {issuer.person.subject}
    assert sorted(issuer.asked) == [
        "/.well-known/openid-configuration",
        "/keys",
        "/token",
        "/token",
        "/token",
    ]


async def test_a_slash_at_the_end_of_the_issuer_makes_no_difference(issuer: Issuer) -> None:
    issuer.document = {"issuer": f"{issuer.url}/"}
    issuer.forge = lambda one, claims: signed(one, {**claims, "iss": f"{one.url}/"})
    async with trusting(issuer) as oidc:
        assert await subject(oidc, issuer) == issuer.person.subject


async def test_a_new_key_is_believed_at_once_and_one_that_is_gone_no_more(issuer: Issuer) -> None:
    old, new = issuer.key, Key()
    async with trusting(issuer) as oidc:
        assert await subject(oidc, issuer)
        issuer.key, issuer.published = new, [old, new]
        assert await subject(oidc, issuer)
        issuer.published = [new]
        async with trusting(issuer) as fresh:
            assert await subject(fresh, issuer)
            issuer.key = old
            with pytest.raises(NotProven):
                await subject(fresh, issuer)


async def test_tokens_of_unknown_keys_do_not_have_it_asked_again_and_again(issuer: Issuer) -> None:
    async with trusting(issuer, pause_seconds=3600) as oidc:
        assert await subject(oidc, issuer)
        issuer.key = Key()
        for _ in range(5):
            with pytest.raises(NotProven):
                await subject(oidc, issuer)

    assert issuer.asked.count("/keys") == 1


async def test_two_keys_without_a_name_are_not_guessed_between(issuer: Issuer) -> None:
    twin = Key(kid=issuer.key.kid)
    issuer.published = [issuer.key, twin]
    async with trusting(issuer) as oidc:
        with pytest.raises(NotProven):
            await subject(oidc, issuer)


async def test_another_claim_may_say_that_the_address_is_hers(issuer: Issuer) -> None:
    issuer.person.email_verified = False
    issuer.forge = lambda one, claims: signed(one, {**claims, "xms_edov": "1"})
    found = []
    for claim in ("email_verified", "xms_edov", "absent"):
        async with trusting(issuer, verified_claim=claim) as oidc:
            attempt = new_attempt()
            told = await answer(oidc, issuer, attempt)
            found.append((await oidc.identity(attempt, told, redirect_uri=BACK)).email)

    assert found == [None, issuer.person.email, None]


async def test_the_code_of_another_log_in_is_refused(issuer: Issuer) -> None:
    """PKCE: a code that was stolen is worth nothing without what the browser kept."""
    async with trusting(issuer) as oidc:
        theirs, own = new_attempt(), new_attempt()
        stolen = (await answer(oidc, issuer, theirs))["code"]
        told = {**await answer(oidc, issuer, own), "code": stolen}
        with pytest.raises(NotProven):
            await oidc.identity(own, told, redirect_uri=BACK)


async def test_an_answer_that_names_another_issuer_is_refused(issuer: Issuer) -> None:
    """RFC 9207."""
    async with trusting(issuer) as oidc:
        attempt = new_attempt()
        told = await answer(oidc, issuer, attempt)
        with pytest.raises(NotProven):
            await oidc.identity(attempt, {**told, "iss": "https://evil.test"}, redirect_uri=BACK)

    assert "/token" not in issuer.asked


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://another.example"},
        {"issuer": None},
        {"token_endpoint": "http://127.0.0.1:{port}/token"},
        {"token_endpoint": "http://169.254.169.254/latest/meta-data"},
        {"token_endpoint": "file:///etc/passwd"},
        {"token_endpoint": "https://user:password@issuer.example/token"},
        {"jwks_uri": "http://localhost:{port}/keys"},
        {"jwks_uri": 7},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "http://evil.example/authorize"},
        {"authorization_endpoint": "https://evil.example/a#b"},
        {"authorization_endpoint": "https://[evil/a"},
    ],
)
async def test_an_issuer_that_points_elsewhere_is_not_followed(
    issuer: Issuer, document: dict[str, Any]
) -> None:
    with listening() as inside:
        port = str(inside.getsockname()[1])
        issuer.document = {
            name: value.replace("{port}", port) if isinstance(value, str) else value
            for name, value in document.items()
        }
        async with trusting(issuer) as oidc:
            with pytest.raises(ProviderDown):
                await oidc.authorization_url(new_attempt(), redirect_uri=BACK)
        inside.settimeout(0)
        with pytest.raises(BlockingIOError):
            inside.accept()


async def test_an_address_inside_is_not_asked_though_it_is_https(issuer: Issuer) -> None:
    with listening() as inside:
        port = inside.getsockname()[1]
        issuer.document = {"token_endpoint": f"https://127.0.0.1:{port}/token"}
        async with trusting(issuer) as oidc:
            with pytest.raises(ProviderDown):
                await subject(oidc, issuer)
        inside.settimeout(0)
        with pytest.raises(BlockingIOError):
            inside.accept()


async def test_what_is_sent_for_a_token_follows_no_redirect(issuer: Issuer) -> None:
    issuer.redirects = {"/token": "/keys"}
    async with trusting(issuer) as oidc:
        with pytest.raises(ProviderDown):
            await subject(oidc, issuer)

    assert "/keys" not in issuer.asked


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys"])
async def test_nothing_that_it_publishes_is_read_without_https_by_a_redirect(
    issuer: Issuer, path: str
) -> None:
    other = listening()
    there = f"127.0.0.1:{other.getsockname()[1]}"
    issuer.redirects = {path: f"http://{there}/keys"}
    async with trusting(issuer, allow=(there,), plain=(), timeout_seconds=2) as oidc:
        with pytest.raises(ProviderDown):
            await subject(oidc, issuer)

    other.setblocking(False)
    with other, pytest.raises(BlockingIOError):
        other.accept()


@pytest.mark.parametrize("url", ["http://issuer.example", "http://127.0.0.1:9"])
async def test_an_issuer_without_https_is_not_asked(issuer: Issuer, url: str) -> None:
    async with trusting(issuer, url=url) as oidc:
        with pytest.raises(ProviderDown):
            await oidc.authorization_url(new_attempt(), redirect_uri=BACK)


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, "{}"), (404, ""), (200, "<html>"), (200, "[" * 50_000), (200, '"' + "a" * 200_000)],
)
async def test_an_issuer_that_answers_badly_is_down(issuer: Issuer, status: int, body: str) -> None:
    path = "/.well-known/openid-configuration"
    issuer.answers[path] = (status, body)
    async with trusting(issuer) as oidc:
        with pytest.raises(ProviderDown):
            await oidc.authorization_url(new_attempt(), redirect_uri=BACK)
        issuer.answers.clear()
        assert await subject(oidc, issuer)


async def test_a_crowd_at_the_door_waits_once_for_an_issuer_that_is_silent(issuer: Issuer) -> None:
    path = "/.well-known/openid-configuration"
    issuer.slow.add(path)
    async with trusting(issuer, timeout_seconds=0.3, pause_seconds=3600) as oidc:
        told = await asyncio.gather(
            *(oidc.authorization_url(new_attempt(), redirect_uri=BACK) for _ in range(20)),
            return_exceptions=True,
        )
        issuer.slow.clear()

    assert {type(one) for one in told} == {ProviderDown}
    assert issuer.asked == [path]
