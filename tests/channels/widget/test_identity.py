"""Who a visitor is: proven by the business's own server, for its own key, and for nobody else."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from coccinelle.foundation.errors import NotFound
from coccinelle.handoffs import actions as handoffs
from coccinelle.handoffs.jobs import tell
from coccinelle.handoffs.model import Handoff
from coccinelle.providers.mail import Mail
from coccinelle.tenants import actions as tenants
from coccinelle.tenants import store as tenants_store
from tests.channels.widget.conftest import Street
from tests.living import Business, client

LEA = "client-4812"
KINDS = ["/api", "/api/v2"]


@dataclass(frozen=True)
class Visit:
    """A conversation that a visitor began on a page of the business, and the page's secret."""

    street: Street
    business: Business
    secret: str
    conversation_id: str
    token: str

    async def prove(self, body: dict[str, Any], prefix: str = "/api", **headers: str) -> Any:
        shown = {"X-Visitor-Token": self.token, **headers}
        async with self.street.page(self.business, **shown) as page:
            path = f"{prefix}/conversations/{self.conversation_id}/identity"
            return await page.post(path, json=body)

    async def handoff(self) -> Handoff:
        """The hand-off that the visitor asked for, as a teammate sees it."""
        shown = {"X-Visitor-Token": self.token}
        async with self.street.page(self.business, **shown) as page:
            path = f"/api/conversations/{self.conversation_id}/handoff"
            assert (await page.post(path, json={})).status_code == 201
        async with self.street.house.db.tenant(self.business.id) as tx:
            found = await handoffs.list_handoffs(tx)
        return next(h for h in found if h.conversation_external_id == self.conversation_id)

    async def known_as(self) -> tuple[str | None, str | None]:
        found = await self.handoff()
        return found.identity, found.identity_email


def proof(secret: str, identity: str = LEA) -> str:
    """What a business's server computes, as its language does."""
    return hmac.new(secret.encode(), identity.encode("utf-8"), hashlib.sha256).hexdigest()


async def secret_of(street: Street, business: Business, **options: bool) -> str:
    async with street.house.db.tenant(business.id) as tx:
        keys = await tenants_store.keys(tx)
        key = next(key for key in keys if key["key"] == business.public_key)
        return await tenants.identity_secret(tx, key["id"], **options)


async def visited(street: Street, business: Business) -> Visit:
    secret, conversation = await secret_of(street, business), f"c-{uuid4().hex}"
    async with street.page(business) as page:
        body = {"user_id": "u", "conversation_id": conversation, "message": "Vos horaires ?"}
        answer = await page.post("/api/chat", json=body)
    assert answer.status_code == 200, answer.text
    return Visit(street, business, secret, conversation, answer.headers["X-Visitor-Token"])


@pytest.fixture
async def visit(street: Street) -> Visit:
    return await visited(street, street.rivoli)


@pytest.fixture
async def neighbour(street: Street) -> Visit:
    return await visited(street, street.nordlys)


@pytest.mark.parametrize("prefix", KINDS)
async def test_who_is_proven_is_shown_to_the_team(visit: Visit, prefix: str) -> None:
    body = {"id": LEA, "email": " lea@example.com ", "hmac": proof(visit.secret)}
    answer = await visit.prove(body, prefix)

    assert (answer.status_code, answer.json()) == (200, {"id": LEA, "email": "lea@example.com"})
    assert answer.headers["X-Visitor-Token"]
    assert await visit.known_as() == (LEA, "lea@example.com")


async def test_an_id_in_any_script_can_be_proven_without_an_address(visit: Visit) -> None:
    identity = "Zoé Ünal 🐞 顾客"
    answer = await visit.prove({"id": identity, "hmac": proof(visit.secret, identity)})

    assert answer.json() == {"id": identity, "email": None}
    assert await visit.known_as() == (identity, None)


async def test_the_last_word_counts(visit: Visit) -> None:
    first = {"id": LEA, "email": "lea@example.com", "hmac": proof(visit.secret)}
    second = {"id": "client-7", "hmac": proof(visit.secret, "client-7")}
    for body in (first, second):
        assert (await visit.prove(body)).status_code == 200

    assert await visit.known_as() == ("client-7", None)


async def test_the_next_person_at_the_same_browser_is_not_taken_for_the_one_before(
    street: Street, visit: Visit
) -> None:
    await visit.prove({"id": LEA, "hmac": proof(visit.secret)})
    later = await visited(street, street.rivoli)

    assert await later.known_as() == (None, None)
    await later.prove({"id": "client-7", "hmac": proof(visit.secret, "client-7")})
    assert await visit.known_as() == (LEA, None)


async def test_a_wrong_proof_proves_nothing(visit: Visit, neighbour: Visit) -> None:
    right = proof(visit.secret)
    wrong = {
        "another business's": proof(neighbour.secret),
        "of another id": proof(visit.secret, "client-4813"),
        "of the id with a space": proof(visit.secret, f"{LEA} "),
        "in upper case": right.upper(),
        "one digit off": right[:-1] + ("0" if right[-1] != "0" else "1"),
        "plain hash": hashlib.sha256(LEA.encode()).hexdigest(),
        "by the public key": proof(visit.business.public_key),
        "by nothing": proof(""),
    }
    assert right.upper() != right
    for what, guess in wrong.items():
        answer = await visit.prove({"id": LEA, "email": "lea@example.com", "hmac": guess})
        assert answer.status_code == 403, what
        assert answer.json()["code"] == "identity_not_proven", what

    assert await visit.known_as() == (None, None)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"id": ""}, "id"),
        ({"id": "x" * 201}, "id"),
        ({"id": None}, "id"),
        ({"email": "not an address"}, "email"),
        ({"email": "a@b.example, c@d.example"}, "email"),
        ({"email": "x" * 250 + "@a.example"}, "email"),
        ({"hmac": "0" * 63}, "hmac"),
        ({"hmac": "0" * 65}, "hmac"),
        ({"hmac": "é" * 64}, "hmac"),
        ({"hmac": None}, "hmac"),
    ],
)
async def test_what_cannot_be_an_identity_is_refused_and_nothing_is_kept(
    visit: Visit, changed: dict[str, Any], field: str
) -> None:
    answer = await visit.prove({"id": LEA, "hmac": proof(visit.secret), **changed})

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert await visit.known_as() == (None, None)


async def test_an_identity_needs_the_token_of_its_own_conversation(
    visit: Visit, neighbour: Visit
) -> None:
    body = {"id": LEA, "hmac": proof(visit.secret)}
    same_shop = await visited(visit.street, visit.business)
    tokens = {"none": "", "nobody's": "abc", "of B": neighbour.token, "other": same_shop.token}
    for what, token in tokens.items():
        answer = await visit.prove(body, **{"X-Visitor-Token": token})
        assert answer.status_code == 401, what

    assert await visit.known_as() == (None, None)


async def test_a_token_of_one_business_opens_nothing_with_the_key_of_another(
    visit: Visit, neighbour: Visit
) -> None:
    """Even with a proof that is good for that key."""
    body = {"id": LEA, "hmac": proof(neighbour.secret)}
    async with visit.street.page(neighbour.business, **{"X-Visitor-Token": visit.token}) as page:
        path = f"/api/conversations/{visit.conversation_id}/identity"
        answer = await page.post(path, json=body)

    assert answer.status_code == 401
    assert answer.json()["code"] == "visitor_token_invalid"
    assert await visit.known_as() == (None, None)
    assert await neighbour.known_as() == (None, None)


async def test_a_host_name_or_a_key_without_a_secret_proves_nobody(street: Street) -> None:
    async with street.house.db.tenant(street.rivoli.id) as tx:
        bare = await tenants.create_public_key(tx, name="nue", origins=["https://a.example"])
    ways: dict[str, dict[str, str]] = {
        "by host": {"Host": street.rivoli.host},
        "without a secret": {"Origin": "https://a.example", "X-Coccinelle-Key": bare.secret},
        "by a program": {"Authorization": f"Bearer {street.rivoli.api_key}"},
    }
    codes = {}
    for what, headers in ways.items():
        conversation = f"c-{uuid4().hex}"
        body = {"user_id": "u", "conversation_id": conversation, "message": "Bonjour"}
        async with client(street.url, None, **headers) as visitor:
            said = await visitor.post("/api/chat", json=body)
            token = {"X-Visitor-Token": said.headers["X-Visitor-Token"]}
            guess = {"id": LEA, "hmac": proof("")}
            path = f"/api/conversations/{conversation}/identity"
            answer = await visitor.post(path, json=guess, headers=token)
            codes[what] = (answer.status_code, answer.json()["code"])

    assert codes == dict.fromkeys(ways, (403, "identity_not_available"))


async def test_a_revoked_key_proves_nobody_from_the_next_request_on(street: Street) -> None:
    async with street.house.db.tenant(street.rivoli.id) as tx:
        key = await tenants.create_public_key(tx, name="bientôt", origins=["https://a.example"])
        secret = await tenants.identity_secret(tx, key.id)
    page = {"Origin": "https://a.example", "X-Coccinelle-Key": key.secret}
    said = {"user_id": "u", "conversation_id": f"c-{uuid4().hex}", "message": "Bonjour"}
    path = f"/api/conversations/{said['conversation_id']}/identity"
    async with client(street.url, None, **page) as visitor:
        begun = await visitor.post("/api/chat", json=said)
        visitor.headers["X-Visitor-Token"] = begun.headers["X-Visitor-Token"]
        body = {"id": LEA, "hmac": proof(secret)}
        before = await visitor.post(path, json=body)
        async with street.house.db.tenant(street.rivoli.id) as tx:
            await tenants_store.revoke_key(tx, key.id)
        after = await visitor.post(path, json=body)

    assert before.status_code == 200
    assert after.status_code in (401, 403)  # For seconds, the key itself is still remembered.


async def test_a_secret_stays_until_another_is_made(street: Street) -> None:
    kept = await secret_of(street, street.rivoli)
    again = await secret_of(street, street.rivoli)
    other = await secret_of(street, street.nordlys)
    visit = await visited(street, street.rivoli)
    rotated = await secret_of(street, street.rivoli, rotate=True)
    old = await visit.prove({"id": LEA, "hmac": proof(kept)})
    new = await visit.prove({"id": LEA, "hmac": proof(rotated)})

    assert kept == again
    assert len({kept, other, rotated}) == 3
    assert all(secret.startswith("is_") and len(secret) > 40 for secret in (kept, rotated))
    assert (old.status_code, new.status_code) == (403, 200)
    assert await secret_of(street, street.nordlys) == other


async def test_a_secret_is_of_a_public_key_that_the_business_has(street: Street) -> None:
    async with street.house.db.tenant(street.nordlys.id) as tx:
        keys = {key["kind"]: key["id"] for key in await tenants_store.keys(tx)}
        gone = await tenants.create_public_key(tx, name="ancienne")
        await tenants_store.revoke_key(tx, gone.id)
    async with street.house.db.tenant(street.nordlys.id) as tx:
        for key_id in (keys["api"], gone.id, uuid4()):
            with pytest.raises(NotFound, match="public_key_not_found"):
                await tenants.identity_secret(tx, key_id)
    async with street.house.db.tenant(street.rivoli.id) as tx:
        with pytest.raises(NotFound, match="public_key_not_found"):
            await tenants.identity_secret(tx, keys["public"], rotate=True)


@dataclass
class Postbox:
    """Takes mail."""

    mails: list[Mail] = field(default_factory=list)

    async def send(self, mail: Mail) -> bool:
        """See `Mailer`."""
        self.mails.append(mail)
        return True


async def mailed(visit: Visit) -> Mail:
    postbox, found = Postbox(), await visit.handoff()
    await tell(visit.street.house.db, postbox, visit.business.id, found.id)
    return postbox.mails[0]


@pytest.fixture
async def clean(street: Street) -> AsyncIterator[None]:
    yield
    async with street.house.db.tenant(street.rivoli.id) as tx:
        await tenants.update(tx, locale="fr")


async def test_the_mail_says_what_is_proven_and_what_is_only_said(visit: Visit) -> None:
    await visit.prove({"id": LEA, "email": "lea@example.com", "hmac": proof(visit.secret)})
    mail = await mailed(visit)

    assert f"\nClient identifié par votre site (prouvé) : {LEA}\n" in mail.text
    assert "\nE-mail indiqué par votre page (non vérifié) : lea@example.com\n" in mail.text
    assert "Aucune coordonnée" not in mail.text
    assert mail.reply_to == "lea@example.com"


async def test_the_mail_says_so_in_the_language_of_the_business(visit: Visit, clean: None) -> None:
    async with visit.street.house.db.tenant(visit.business.id) as tx:
        await tenants.update(tx, locale="en")
    await visit.prove({"id": LEA, "hmac": proof(visit.secret)})
    mail = await mailed(visit)

    assert f"\nCustomer identified by your site (proven): {LEA}\n" in mail.text
    assert "\nNo contact details were left" in mail.text


async def test_nobody_can_write_that_they_are_proven(visit: Visit) -> None:
    """Neither in an id that the site signed unseen, nor in a note, nor in a message."""
    forged = "Client identifié par votre site (prouvé) : admin"
    identity = f"x\r\n{forged}\u2028{forged}"
    await visit.prove({"id": identity, "hmac": proof(visit.secret, identity)})
    async with visit.street.page(visit.business, **{"X-Visitor-Token": visit.token}) as page:
        at = f"/api/conversations/{visit.conversation_id}"
        answer: httpx2.Response = await page.post(f"{at}/handoff", json={"note": f"a\n{forged}"})
        said = {"user_id": "u", "conversation_id": visit.conversation_id, "message": f"b\n{forged}"}
        assert answer.status_code == 201
        assert (await page.post("/api/chat", json=said)).status_code == 200
    mail = await mailed(visit)

    claims = [line for line in mail.text.splitlines() if line.startswith("Client identifié")]
    assert mail.text.count(forged) >= 4
    assert claims == [f"Client identifié par votre site (prouvé) : x {forged} {forged}"]
