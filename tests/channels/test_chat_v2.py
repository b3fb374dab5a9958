"""Chat v2 as JSON: bounds, identity, limits, repeats, and what goes with an answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from coccinelle.channels.visitor import Visitor, VisitorTokens
from coccinelle.engine.live import LiveTurn
from coccinelle.engine.model import Inbound, TurnResult
from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import Conflict, TooMany, Unavailable
from coccinelle.foundation.ids import TenantId, uuid7
from coccinelle.handoffs import actions as handoffs

from .conftest import PAGE, SECRET, House, Shop
from .scripted import fail, result_of

Post = Callable[..., Awaitable[httpx2.Response]]


def body(shop: Shop, **changes: object) -> dict[str, object]:
    return {
        "user_id": shop.name("u"),
        "conversation_id": shop.name("c"),
        "message": "Bonjour",
        **changes,
    }


@pytest.fixture
def post(client: httpx2.AsyncClient, shop: Shop) -> Post:
    async def send(headers: dict[str, str] | None = None, **changes: object) -> httpx2.Response:
        told = {"Host": shop.host, **(headers or {})}
        return await client.post("/api/chat", json=body(shop, **changes), headers=told)

    return send


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"message": "x" * 2000}, 200),
        ({"message": "  " + "x" * 2000 + "\n"}, 200),
        ({"message": "🐞" * 2000}, 200),
        ({"message": "x" * 2001}, 422),
        ({"message": ""}, 422),
        ({"message": " \n\t\u00a0"}, 422),
        ({"message": None}, 422),
        ({"message": ["Bonjour"]}, 422),
        ({"user_id": ""}, 422),
        ({"user_id": "u" * 129}, 422),
        ({"user_id": 42}, 422),
        ({"conversation_id": "c" * 129}, 422),
        ({"conversation_id": {"a": 1}}, 422),
        ({"message_id": ""}, 422),
        ({"message_id": "m" * 256}, 422),
        ({"message_id": None}, 200),
        ({"timestamp": 7}, 422),
        ({"timestamp": None, "anything": [{"else": 1}]}, 200),
    ],
)
async def test_bounds_of_every_field(post: Post, changes: dict[str, object], status: int) -> None:
    answer = await post(**changes)

    assert answer.status_code == status, answer.text


async def test_ids_of_128_characters_are_kept_whole(post: Post, house: House, shop: Shop) -> None:
    user, conversation = (shop.marker + "é" * 120, shop.marker + "🐞" * 120)
    answer = await post(user_id=user, conversation_id=conversation)

    assert answer.json()["conversation_id"] == conversation
    assert house.engine.inbound[-1].user_id == user


@pytest.mark.parametrize("odd", ["a/b", "é 🐞", "?x=1&y#z", "%2F", "..", "/"])
async def test_an_id_is_any_string_also_in_an_address(
    client: httpx2.AsyncClient, post: Post, shop: Shop, odd: str
) -> None:
    name = shop.name(odd)
    answer = await post(conversation_id=name)
    token = answer.headers["x-visitor-token"]
    path = f"/api/conversations/{quote(name, safe='')}"
    headers = {"Host": shop.host, "X-Visitor-Token": token}
    params = {"user_id": shop.name("u")}
    history = await client.get(f"{path}/messages", params=params, headers=headers)
    handoff = await client.post(f"{path}/handoff", headers=headers)
    left = await client.get(f"/api/rate-limit/{quote(name, safe='')}", headers=headers)

    assert history.json()["items"][0]["text"] == "Bonjour"
    assert handoff.json()["conversation_id"] == name
    assert left.json()["remaining"] == 9


async def test_the_message_is_trimmed(post: Post, house: House) -> None:
    await post(message="\n  Bonjour  \t")

    assert house.engine.inbound[-1].text == "Bonjour"


@pytest.mark.parametrize(
    ("content", "kind", "code"),
    [
        (b"", "application/json", "bad_json"),
        (b"{", "application/json", "bad_json"),
        (b"[]", "application/json", "not_an_object"),
        (b'"text"', "application/json", "not_an_object"),
        (b"[" * 30_000, "application/json", "bad_json"),
        (b'{"message": NaN}', "application/json", "bad_json"),
        (b'{"message": "\xff"}', "application/json", "bad_json"),
        ('{"message": "é"}'.encode("utf-16"), "application/json", "unstorable_characters"),
        (b'{"message": "a\\u0000b"}', "application/json", "unstorable_characters"),
        (b'{"message": "a\x00b"}', "application/json", "unstorable_characters"),
        (b'{"a": ["\\ud83d"]}', "application/json", "unstorable_characters"),
        (b'{"\\udc00": 1}', "application/json", "unstorable_characters"),
        (b'{"a": "\xed\xa0\x80"}', "application/json", "unstorable_characters"),
        (b"message=Bonjour", "application/x-www-form-urlencoded", "not_json"),
        (b"{}", "text/plain", "not_json"),
    ],
)
async def test_bodies_that_are_no_json_are_refused_in_words(
    client: httpx2.AsyncClient, shop: Shop, content: bytes, kind: str, code: str
) -> None:
    answer = await client.post(
        "/api/chat", content=content, headers={"Host": shop.host, "Content-Type": kind}
    )

    assert (answer.status_code, answer.json()["code"]) == (422, code)


@pytest.mark.parametrize(
    "path",
    [
        "/api/conversations/a%00b/messages?user_id=u",
        "/api/conversations/c/messages?user_id=a%00b",
        "/api/rate-limit/%ED%A0%80",
        "/api/rate-limit/c?x=%ff",
    ],
)
async def test_addresses_that_nobody_could_keep_are_refused(
    client: httpx2.AsyncClient, shop: Shop, path: str
) -> None:
    answer = await client.get(path, headers={"Host": shop.host})

    assert (answer.status_code, answer.json()["code"]) == (422, "unstorable_characters")


async def test_a_pair_of_surrogates_is_a_character(
    post: Post, client: httpx2.AsyncClient, shop: Shop
) -> None:
    sent = json.dumps(body(shop, message="🐞 \\u0000 \\\\ud800"))
    assert "\\ud83d\\udc1e" in sent
    headers = {"Host": shop.host, "Content-Type": "application/json"}

    assert (await client.post("/api/chat", content=sent, headers=headers)).status_code == 200


async def test_the_eleventh_message_is_429_even_in_a_new_conversation(
    post: Post, shop: Shop
) -> None:
    for number in range(10):
        assert (await post(conversation_id=shop.name(f"c{number}"))).status_code == 200
    answer = await post(conversation_id=shop.name("new"))

    assert answer.status_code == 429
    assert answer.json()["detail"] == "Trop de messages. Attendez quelques instants."
    assert answer.json()["code"] == "rate_limited"
    assert 1 <= int(answer.headers["retry-after"]) <= 60


async def test_rejected_bodies_count_for_the_address_only(
    client: httpx2.AsyncClient, post: Post, shop: Shop
) -> None:
    far = {"Host": shop.host, "X-Forwarded-For": "203.0.113.7"}
    for _ in range(60):
        refused = await client.post("/api/chat", json={}, headers=far)
        assert refused.status_code == 422
    over = await client.post("/api/chat", json={}, headers=far)
    large = await client.post("/api/chat", content=b"x" * 70_000, headers=far)
    new_user = await post(headers=far, user_id=shop.name("new"), conversation_id=shop.name("n"))
    elsewhere = await post()

    assert [a.status_code for a in (over, large, new_user)] == [429, 429, 429]
    assert elsewhere.status_code == 200
    answer = await client.get("/api/rate-limit/" + shop.name("c"), headers={"Host": shop.host})
    assert answer.json()["remaining"] == 9


async def test_programs_are_exempt_from_the_limit_of_the_address(
    client: httpx2.AsyncClient, house: House, shop: Shop
) -> None:
    headers = {"Authorization": f"Bearer {shop.api_key}"}
    for _ in range(70):
        assert (await client.post("/api/chat", json={}, headers=headers)).status_code == 422
    answer = await client.post("/api/chat", json=body(shop), headers=headers)

    assert answer.status_code == 200
    assert house.engine.inbound[-1].address is None


async def test_a_repeated_message_id_gets_the_stored_answer(
    post: Post, house: House, shop: Shop
) -> None:
    first = await post(message_id="m")
    again = await post(message_id="m")
    by_header = await post(headers={"Idempotency-Key": "m"})

    assert first.json()["turn_id"] == again.json()["turn_id"] == by_header.json()["turn_id"]
    assert again.json()["message"] == first.json()["message"]


async def test_a_message_id_with_another_message_is_409(post: Post) -> None:
    await post(message_id="m")
    answer = await post(message_id="m", message="Autre chose")

    assert (answer.status_code, answer.json()["code"]) == (409, "message_id_reused")


async def test_an_idempotency_key_that_is_too_long_is_422(post: Post) -> None:
    answer = await post(headers={"Idempotency-Key": "k" * 256})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"


@pytest.mark.parametrize(
    ("refusal", "status", "retry_after"),
    [
        (Conflict("twin_in_flight", retry_after_seconds=5), 409, "5"),
        (TooMany(retry_after_seconds=12), 429, "12"),
        (Unavailable("database_unavailable"), 503, "5"),
    ],
)
async def test_what_may_be_tried_again_says_when(
    post: Post, house: House, refusal: Exception, status: int, retry_after: str
) -> None:
    house.engine.refusal = refusal
    answer = await post()

    assert (answer.status_code, answer.headers["retry-after"]) == (status, retry_after)


async def test_a_failed_turn_offers_a_person(post: Post, house: House) -> None:
    house.engine.script = fail
    answer = await post()

    assert answer.status_code == 503
    assert "parler à une personne" in answer.json()["detail"]


async def test_an_interrupted_answer_says_so(post: Post, house: House) -> None:
    async def cut(inbound: Inbound, live: LiveTurn) -> TurnResult:
        return replace(result_of(inbound, live), outcome="interrupted", text="Commencez")

    house.engine.script = cut
    answer = await post()

    assert answer.json()["interrupted"] is True
    assert answer.json()["message"] == "Commencez"


async def test_a_client_that_hangs_up_leaves_the_turn_unattended(
    client: httpx2.AsyncClient, house: House, shop: Shop
) -> None:
    reached = asyncio.Event()

    async def forever(inbound: Inbound, live: LiveTurn) -> TurnResult:
        reached.set()
        await asyncio.sleep(60)
        raise AssertionError("unreachable: it is abandoned")

    house.engine.script = forever
    sending = asyncio.create_task(
        client.post("/api/chat", json=body(shop), headers={"Host": shop.host})
    )
    await reached.wait()
    sending.cancel()
    await asyncio.wait_for(house.engine.left.wait(), 5)


async def test_both_callers_of_one_credential_see_their_own_tenant(
    client: httpx2.AsyncClient, house: House, shop: Shop, other_shop: Shop
) -> None:
    for one in (shop, other_shop):
        await client.post("/api/chat", json=body(shop), headers={"Host": one.host})

    assert [i.tenant_id for i in house.engine.inbound] == [shop.id, other_shop.id]


class TestVisitorToken:
    """What needs it, and what it is worth."""

    async def test_history_is_read_with_the_token_of_the_first_answer(
        self, client: httpx2.AsyncClient, post: Post, shop: Shop
    ) -> None:
        answer = await post()
        history = await self._history(client, shop, answer.headers["x-visitor-token"])

        assert history.status_code == 200
        said = [(item["author"], item["text"]) for item in history.json()["items"]]
        assert said == [("customer", "Bonjour"), ("agent", answer.json()["message"])]
        assert history.json()["next_cursor"] is None
        assert history.json()["handoff"] is False
        assert history.headers["x-visitor-token"]

    async def test_history_comes_in_pages(
        self, client: httpx2.AsyncClient, post: Post, shop: Shop
    ) -> None:
        answers = [await post(message=f"Question {number}") for number in range(3)]
        token = answers[0].headers["x-visitor-token"]
        texts, cursor = [], ""
        while cursor is not None:
            more = f"&limit=4&cursor={cursor}" if cursor else "&limit=4"
            page = (await self._history(client, shop, token, more)).json()
            texts += [item["text"] for item in page["items"]]
            cursor = page["next_cursor"]

        assert texts[::2] == ["Question 0", "Question 1", "Question 2"]
        assert len(texts) == 6

    async def test_a_cursor_that_is_none_is_422(
        self, client: httpx2.AsyncClient, post: Post, shop: Shop
    ) -> None:
        token = (await post()).headers["x-visitor-token"]
        for more in ("&cursor=abc", "&cursor=-1", "&limit=0", "&limit=201"):
            assert (await self._history(client, shop, token, more)).status_code == 422

    async def test_history_without_it_is_401(
        self, client: httpx2.AsyncClient, post: Post, shop: Shop
    ) -> None:
        await post()
        history = await self._history(client, shop, "")

        assert (history.status_code, history.json()["code"]) == (401, "visitor_token_required")

    @pytest.mark.parametrize(
        "changes",
        [
            {"origin": "https://elsewhere.example"},
            {"user_id": "somebody"},
            {"conversation_id": "another"},
            {"tenant_id": TenantId(uuid7())},
        ],
    )
    async def test_it_is_bound_to_tenant_page_user_and_conversation(
        self,
        client: httpx2.AsyncClient,
        post: Post,
        shop: Shop,
        house: House,
        changes: dict[str, Any],
    ) -> None:
        await post()
        visitor = Visitor(shop.id, f"http://{shop.host}", shop.name("u"), shop.name("c"))
        good = await self._history(client, shop, house.tokens.mint(visitor))
        wrong = await self._history(client, shop, house.tokens.mint(replace(visitor, **changes)))

        assert good.status_code == 200
        assert (wrong.status_code, wrong.json()["code"]) == (401, "visitor_token_invalid")

    async def test_tokens_that_are_not_ours_are_401(
        self, client: httpx2.AsyncClient, post: Post, shop: Shop
    ) -> None:
        token = (await post()).headers["x-visitor-token"]
        claims = Visitor(shop.id, f"http://{shop.host}", shop.name("u"), shop.name("c"))
        forged = [
            VisitorTokens("another key").mint(claims),
            VisitorTokens(SECRET, days=-1).mint(claims)[:-2] + "xx",
            token[:-1],
            token + "x",
            token.split(".")[0],
            "eyJhbGciOiJub25lIn0.e30.",
            "é",
        ]
        for value in forged:
            raw = value.encode("utf-8")
            history = await self._history(client, shop, raw)
            assert history.status_code == 401, value

    async def test_it_expires(self) -> None:
        visitor = Visitor(TenantId(uuid7()), PAGE, "u", "c")
        token = VisitorTokens(SECRET).mint(visitor)
        with pytest.raises(Exception, match="visitor_token_invalid"):
            VisitorTokens(SECRET, days=-1).read(token, tenant_id=visitor.tenant_id, origin=PAGE)

    async def test_a_page_with_a_public_key_needs_it_to_go_on(
        self, client: httpx2.AsyncClient, shop: Shop
    ) -> None:
        page = {"X-Coccinelle-Key": shop.public_key, "Origin": PAGE}
        first = await client.post("/api/chat", json=body(shop, message_id="m1"), headers=page)
        without = await client.post("/api/chat", json=body(shop), headers=page)
        token = {**page, "X-Visitor-Token": first.headers["x-visitor-token"]}
        with_it = await client.post("/api/chat", json=body(shop), headers=token)
        other = await client.post("/api/chat", json=body(shop, user_id="x"), headers=token)
        sent_again = await client.post("/api/chat", json=body(shop, message_id="m1"), headers=page)

        assert (first.status_code, with_it.status_code) == (200, 200)
        assert (without.status_code, without.json()["code"]) == (401, "visitor_token_required")
        assert without.headers["access-control-allow-origin"] == PAGE
        assert other.status_code == 401
        assert sent_again.json()["turn_id"] == first.json()["turn_id"]

    async def test_to_know_the_ids_of_a_conversation_is_not_enough_to_get_it(
        self, post: Post
    ) -> None:
        first = await post(message_id="m1")
        guessed = await post(message_id="m2")
        sent_again = await post(message_id="m1")
        shown = {"X-Visitor-Token": first.headers["x-visitor-token"]}
        renewed = await post(headers=shown)
        stale = await post(headers={"X-Visitor-Token": "stale"})

        assert (guessed.status_code, stale.status_code) == (200, 200)
        assert "x-visitor-token" not in guessed.headers
        assert "x-visitor-token" not in stale.headers
        assert sent_again.headers["x-visitor-token"]
        assert renewed.headers["x-visitor-token"]

    async def test_clients_found_by_host_name_need_none_to_post(self, post: Post) -> None:
        assert [(await post()).status_code for _ in range(3)] == [200, 200, 200]

    async def _history(
        self, client: httpx2.AsyncClient, shop: Shop, token: str | bytes, more: str = ""
    ) -> httpx2.Response:
        path = f"/api/conversations/{shop.name('c')}/messages?user_id={shop.name('u')}{more}"
        raw = token if isinstance(token, bytes) else token.encode()
        headers = [(b"Host", shop.host.encode()), (b"X-Visitor-Token", raw)]
        return await client.get(path, headers=headers)


class TestFeedback:
    """A thumb up or down, by the visitor who got the answer."""

    async def test_the_last_word_counts(
        self, client: httpx2.AsyncClient, post: Post, shop: Shop
    ) -> None:
        answer = await post()
        headers = {"Host": shop.host, "X-Visitor-Token": answer.headers["x-visitor-token"]}
        path = f"/api/turns/{answer.json()['turn_id']}/feedback"
        first = await client.post(path, json={"score": -1}, headers=headers)
        await client.post(path, json={"score": 1, "comment": "Merci"}, headers=headers)
        history = await client.get(
            f"/api/conversations/{shop.name('c')}/messages",
            params={"user_id": shop.name("u")},
            headers=headers,
        )

        assert first.json() == {"turn_id": answer.json()["turn_id"], "score": -1, "comment": None}
        assert history.json()["items"][1]["feedback"] == 1

    @pytest.mark.parametrize("score", [0, 2, "1", None, True, 1.5])
    async def test_other_scores_are_422(
        self, client: httpx2.AsyncClient, post: Post, shop: Shop, score: object
    ) -> None:
        answer = await post()
        headers = {"Host": shop.host, "X-Visitor-Token": answer.headers["x-visitor-token"]}
        path = f"/api/turns/{answer.json()['turn_id']}/feedback"
        refused = await client.post(path, json={"score": score}, headers=headers)

        assert refused.status_code == 422, score

    async def test_an_answer_of_another_conversation_is_404(
        self, client: httpx2.AsyncClient, post: Post, shop: Shop
    ) -> None:
        mine = await post()
        other = await post(user_id=shop.name("v"), conversation_id=shop.name("d"))
        headers = {"Host": shop.host, "X-Visitor-Token": mine.headers["x-visitor-token"]}
        path = f"/api/turns/{other.json()['turn_id']}/feedback"
        refused = await client.post(path, json={"score": 1}, headers=headers)

        assert (refused.status_code, refused.json()["code"]) == (404, "turn_not_found")


class TestHandoff:
    """A customer asks for a person."""

    async def test_it_opens_once_and_takes_what_the_customer_adds(
        self, client: httpx2.AsyncClient, post: Post, shop: Shop, db: Database
    ) -> None:
        token = (await post()).headers["x-visitor-token"]
        headers = {"Host": shop.host, "X-Visitor-Token": token}
        path = f"/api/conversations/{shop.name('c')}/handoff"
        first = await client.post(path, headers=headers)
        again = await client.post(path, json={"email": "lea@example.com"}, headers=headers)

        params = {"user_id": shop.name("u")}
        history = await client.get(
            path.replace("/handoff", "/messages"), params=params, headers=headers
        )

        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        assert history.json()["handoff"] is True
        async with db.tenant(shop.id) as tx:
            (opened,) = await handoffs.list_handoffs(tx)
        assert (str(opened.id), opened.email) == (first.json()["id"], "lea@example.com")

    @pytest.mark.parametrize(
        ("sent", "field"),
        [
            ({"email": "nobody"}, "email"),
            ({"email": "a@b\r\nBcc: c@d"}, "email"),
            ({"phone": "call me"}, "phone"),
            ({"note": "x" * 2001}, "note"),
            ({"note": 7}, "note"),
        ],
    )
    async def test_contacts_that_are_none_are_422(
        self, client: httpx2.AsyncClient, post: Post, shop: Shop, sent: dict[str, Any], field: str
    ) -> None:
        token = (await post()).headers["x-visitor-token"]
        headers = {"Host": shop.host, "X-Visitor-Token": token}
        path = f"/api/conversations/{shop.name('c')}/handoff"
        refused = await client.post(path, json=sent, headers=headers)

        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] == field

    async def test_without_a_token_it_is_401(
        self, client: httpx2.AsyncClient, post: Post, shop: Shop
    ) -> None:
        await post()
        path = f"/api/conversations/{shop.name('c')}/handoff"

        assert (await client.post(path, headers={"Host": shop.host})).status_code == 401
