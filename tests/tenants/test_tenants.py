"""What is known of a business is checked, changed for it alone, and forgotten when it is blank."""

from __future__ import annotations

import pytest

from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import Invalid, NotFound
from coccinelle.foundation.ids import TenantId
from coccinelle.tenants import actions, store
from coccinelle.tenants.model import Tenant, bound_name, checked_facts, checked_name


async def known(db: Database, tenant_id: TenantId) -> Tenant:
    async with db.tenant(tenant_id) as tx:
        found = await store.tenant(tx)
    assert found is not None
    return found


async def test_facts_are_changed_for_one_tenant_only(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    before = await known(db, nordlys)
    async with db.tenant(rivoli) as tx:
        await actions.update(
            tx, company_name=" Salon Rivoli ", phone="01 99 00 00 01", offer_text="Une coupe"
        )
        await actions.update(tx, offer_text="")
        await actions.update(tx)

    changed = await known(db, rivoli)
    assert (changed.company_name, changed.phone) == ("Salon Rivoli", "01 99 00 00 01")
    assert changed.offer_text is None
    assert await known(db, nordlys) == before


async def test_a_host_name_is_unbound_by_its_own_tenant_only(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    host = f"chat-{rivoli}.example"
    async with db.tenant(rivoli) as tx:
        await actions.bind_host(tx, host=host)
    with pytest.raises(NotFound):
        async with db.tenant(nordlys) as tx:
            await actions.unbind_host(tx, host=host)
    assert await actions.caller_by_host(db, host) is not None
    async with db.tenant(rivoli) as tx:
        await actions.unbind_host(tx, host=host.upper())
    assert await actions.caller_by_host(db, host) is None


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\nb", "a\x00b", "a\ud800"])
def test_a_name_has_one_to_two_hundred_characters_on_a_line(name: str) -> None:
    with pytest.raises(Invalid, match="bad_company_name"):
        checked_name(name)


@pytest.mark.parametrize(
    ("fact", "value", "code"),
    [
        ("email", "bonjour", "bad_email"),
        ("email", "a b@c.fr", "bad_email"),
        ("handoff_email", "a@b", "bad_email"),
        ("phone", "demain", "bad_phone"),
        ("phone", "()..", "bad_phone"),
        ("website", "salon.example", "bad_web_address"),
        ("website", "https://", "bad_web_address"),
        ("website", "https://[", "bad_web_address"),
        ("offer_url", "javascript:alert(1)", "bad_web_address"),
        ("address", "x" * 2001, "too_long"),
        ("offer_text", "a\x00", "unstorable_characters"),
    ],
)
def test_a_fact_that_cannot_be_one_is_refused(fact: str, value: str, code: str) -> None:
    with pytest.raises(Invalid, match=code) as refused:
        checked_facts({fact: value})
    assert [(e.field, e.code) for e in refused.value.errors] == [(fact, code)]


def test_facts_as_people_write_them_are_kept() -> None:
    facts = {
        "email": "bonjour@salon-rivoli.example",
        "phone": "+33 (0)1 99 00 00 01",
        "website": "https://www.salon-rivoli.example/fr",
        "address": "1 rue de Rivoli\n75001 Paris",
        "sector": "coiffure",
    }
    assert checked_facts(facts) == facts
    assert checked_facts({"phone": "01\u00a099\u00a000\u00a000\u00a001", "email": " "}) == {
        "phone": "01\u00a099\u00a000\u00a000\u00a001",
        "email": None,
    }


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("http://a.example", "host_not_address"),
        ("a.example/chat", "host_not_address"),
        ("a.example:x", "bad_host"),
        ("a b", "bad_host"),
    ],
)
def test_an_address_is_no_host_name(host: str, code: str) -> None:
    with pytest.raises(Invalid, match=code):
        bound_name(host)


@pytest.mark.parametrize(
    ("written", "bound"),
    [("Chat.Example:443", "chat.example"), ("[::1]:80", "[::1]"), ("a.example.", "a.example")],
)
def test_a_host_name_is_bound_without_its_port(written: str, bound: str) -> None:
    assert bound_name(written) == bound


@pytest.mark.parametrize("name", ["", "x" * 101])
async def test_a_key_has_a_name(
    db: Database, rivoli: TenantId, nordlys: TenantId, name: str
) -> None:
    async with db.tenant(rivoli) as tx:
        with pytest.raises(Invalid, match="bad_key_name"):
            await actions.create_api_key(tx, name=name)
        with pytest.raises(Invalid, match="bad_key_name"):
            await actions.create_public_key(tx, name=name)
