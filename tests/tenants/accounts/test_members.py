"""Members, their roles, the keys of a business, and who did what."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import psycopg
import pytest

from tests.accounts import Account, joined, signed_up
from tests.tenants.accounts.conftest import Office

ROLES = ("owner", "admin", "member")


async def staffed(office: Office, visitor: httpx2.AsyncClient) -> dict[str, Account]:
    """A business with two of each role: the first who asks, the second who is changed."""
    lea = await signed_up(visitor)
    people = {"owner": lea}
    for name in ("owner 2", "admin", "admin 2", "member", "member 2"):
        role: Any = name.split()[0]
        people[name] = await joined(office.house, lea.tenant_id, role=role)
    return people


async def change(
    visitor: httpx2.AsyncClient, by: Account, of: Account, **body: object
) -> httpx2.Response:
    return await visitor.patch(f"/api/v1/members/{of.user_id}", json=body, headers=by.headers)


@pytest.mark.parametrize(
    ("by", "of", "role", "status"),
    [
        ("owner", "owner 2", "member", 200),
        ("owner", "admin 2", "owner", 200),
        ("owner", "member 2", "admin", 200),
        ("admin", "member 2", "admin", 200),
        ("admin", "admin 2", "member", 200),
        ("admin", "member 2", "owner", 403),
        ("admin", "owner 2", "admin", 403),
        ("admin", "admin", "owner", 403),
        ("member", "member 2", "admin", 403),
        ("member", "member", "owner", 403),
        ("member", "owner", "member", 403),
    ],
)
async def test_roles_are_given_by_those_who_have_them(
    office: Office, visitor: httpx2.AsyncClient, by: str, of: str, role: str, status: int
) -> None:
    people = await staffed(office, visitor)

    answer = await change(visitor, people[by], people[of], role=role)
    me = await visitor.get("/api/v1/auth/me", headers=people[of].headers)

    assert answer.status_code == status, answer.text
    assert me.json()["role"] == (role if status == 200 else of.split(maxsplit=1)[0])
    if status == 403:
        assert answer.json()["code"] == "role_missing"


@pytest.mark.parametrize(
    ("by", "of", "status"),
    [
        ("owner", "owner 2", 204),
        ("owner", "member", 204),
        ("admin", "member", 204),
        ("admin", "owner", 403),
        ("member", "member 2", 403),
        ("member", "member", 204),
        ("admin", "admin", 204),
        ("owner", "owner", 204),
    ],
)
async def test_members_are_removed_by_those_above_and_may_leave(
    office: Office, visitor: httpx2.AsyncClient, by: str, of: str, status: int
) -> None:
    people = await staffed(office, visitor)

    answer = await visitor.delete(
        f"/api/v1/members/{people[of].user_id}", headers=people[by].headers
    )
    me = await visitor.get("/api/v1/auth/me", headers=people[of].headers)

    assert answer.status_code == status, answer.text
    assert me.status_code == (401 if status == 204 else 200)


@pytest.mark.parametrize("body", [{"role": "admin"}, {"disabled": True}, None])
async def test_the_last_owner_stays(
    office: Office, visitor: httpx2.AsyncClient, body: dict[str, object] | None
) -> None:
    lea = await signed_up(visitor)
    await joined(office.house, lea.tenant_id, role="admin")

    if body is None:
        answer = await visitor.delete(f"/api/v1/members/{lea.user_id}", headers=lea.headers)
    else:
        answer = await change(visitor, lea, lea, **body)

    assert (answer.status_code, answer.json()["code"]) == (409, "last_owner")
    assert (await visitor.get("/api/v1/auth/me", headers=lea.headers)).json()["role"] == "owner"


async def test_owners_who_leave_or_demote_each_other_at_once_leave_one(
    office: Office, visitor: httpx2.AsyncClient
) -> None:
    for _ in range(4):
        lea = await signed_up(visitor)
        owners = [lea, *[await joined(office.house, lea.tenant_id) for _ in range(3)]]
        async with office.client() as anybody:
            leaving = [
                anybody.delete(f"/api/v1/members/{one.user_id}", headers=one.headers)
                for one in owners[:2]
            ]
            demoting = [
                change(anybody, by, of, role="member")
                for by, of in ((owners[2], owners[3]), (owners[3], owners[2]))
            ]
            answers = await asyncio.gather(*leaving, *demoting)
        async with office.house.db.tenant(lea.tenant_id) as tx:
            left = await tx.value("SELECT count(*) FROM memberships WHERE role = 'owner'")

        assert all(answer.status_code in (200, 204, 401, 403, 409) for answer in answers)
        assert left >= 1


@pytest.mark.parametrize("inviter", ROLES)
@pytest.mark.parametrize("role", ROLES)
async def test_an_invitation_gives_no_more_than_its_sender_has(
    office: Office, visitor: httpx2.AsyncClient, inviter: str, role: str
) -> None:
    people = await staffed(office, visitor)
    email = f"new-{people['owner'].slug}-{inviter}@example.com"

    answer = await visitor.post(
        "/api/v1/auth/invitations",
        json={"email": email, "role": role},
        headers=people[inviter].headers,
    )

    allowed = inviter == "owner" or (inviter == "admin" and role != "owner")
    assert answer.status_code == (201 if allowed else 403)


async def test_another_businesses_members_are_nobody_here(visitor: httpx2.AsyncClient) -> None:
    lea, ida = await signed_up(visitor), await signed_up(visitor)

    changed = await change(visitor, ida, lea, role="member")
    removed = await visitor.delete(f"/api/v1/members/{lea.user_id}", headers=ida.headers)
    listed = (await visitor.get("/api/v1/members", headers=ida.headers)).text

    assert (changed.status_code, removed.status_code) == (404, 404)
    assert lea.email not in listed


async def test_lists_go_on_from_their_cursor(office: Office, visitor: httpx2.AsyncClient) -> None:
    people = await staffed(office, visitor)
    lea = people["owner"]
    for path in ("/api/v1/members", "/api/v1/audit", "/api/v1/api-keys"):
        for n in range(3):
            body = {"name": f"clé {n}", "scopes": ["chat"]}
            await visitor.post("/api/v1/api-keys", json=body, headers=lea.headers)
        whole = (await visitor.get(path, headers=lea.headers)).json()["items"]
        parts, cursor = [], None
        while True:
            params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
            page = (await visitor.get(path, params=params, headers=lea.headers)).json()
            parts += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert len(whole) >= 3
        assert parts == whole


async def test_a_programs_key_is_shown_once_and_ends_when_it_is_revoked(
    visitor: httpx2.AsyncClient,
) -> None:
    lea = await signed_up(visitor)
    body = {"name": "site", "scopes": ["knowledge", "manage"]}
    made = (await visitor.post("/api/v1/api-keys", json=body, headers=lea.headers)).json()
    by_key = {"Authorization": f"Bearer {made['secret']}"}
    used = await visitor.get("/api/v1/sources", headers=by_key)
    making = await visitor.post("/api/v1/api-keys", json=body, headers=by_key)
    listed = await visitor.get("/api/v1/api-keys", headers=lea.headers)

    revoked = await visitor.delete(f"/api/v1/api-keys/{made['id']}", headers=lea.headers)
    again = await visitor.delete(f"/api/v1/api-keys/{made['id']}", headers=lea.headers)
    after = await visitor.get("/api/v1/api-keys", headers=lea.headers)

    assert (used.status_code, making.status_code) == (200, 401)
    assert made["secret"] not in listed.text
    assert listed.json()["items"][0]["last_four"] == made["secret"][-4:]
    assert (revoked.status_code, again.status_code) == (204, 404)
    assert after.json()["items"] == []


async def test_a_widgets_key_names_the_business_on_its_sites(visitor: httpx2.AsyncClient) -> None:
    lea = await signed_up(visitor)
    body = {"name": "widget", "allowed_origins": ["https://A.example/"]}

    made = await visitor.post("/api/v1/public-keys", json=body, headers=lea.headers)
    key = made.json()["key"]
    wrong = await visitor.post(
        "/api/v1/public-keys",
        json={**body, "allowed_origins": ["https://a.example/page"]},
        headers=lea.headers,
    )
    page = {"X-Coccinelle-Key": key, "Origin": "https://a.example"}
    seen = await visitor.get("/api/rate-limit/c", headers=page)
    other = await visitor.get(
        "/api/rate-limit/c", headers={**page, "Origin": "https://evil.example"}
    )
    revoked = await visitor.delete(f"/api/v1/public-keys/{made.json()['id']}", headers=lea.headers)

    assert made.json()["allowed_origins"] == ["https://a.example"]
    assert (wrong.status_code, seen.status_code, other.status_code) == (422, 200, 403)
    assert revoked.status_code == 204


async def test_every_change_is_told_with_who_did_it_and_no_secret(
    office: Office, visitor: httpx2.AsyncClient
) -> None:
    people = await staffed(office, visitor)
    lea, paul = people["owner"], people["member"]
    key = (
        await visitor.post(
            "/api/v1/api-keys", json={"name": "site", "scopes": ["chat"]}, headers=lea.headers
        )
    ).json()
    await visitor.delete(f"/api/v1/api-keys/{key['id']}", headers=lea.headers)
    await change(visitor, lea, paul, role="admin")
    await visitor.delete(f"/api/v1/members/{paul.user_id}", headers=lea.headers)
    body = {"email": "new@example.com", "role": "member"}
    await visitor.post("/api/v1/auth/invitations", json=body, headers=lea.headers)

    answer = await visitor.get("/api/v1/audit", headers=lea.headers)
    told = answer.json()["items"]
    refused = await visitor.get("/api/v1/audit", headers=people["member 2"].headers)

    assert [one["action"] for one in told] == [
        "member.invited",
        "member.removed",
        "member.changed",
        "api_key.revoked",
        "api_key.created",
        "account.opened",
    ]
    assert {one["actor"]["id"] for one in told} == {str(lea.user_id)}
    assert told[2]["about"] == str(paul.user_id)
    assert told[2]["details"] == {"role": "admin", "disabled": False}
    assert key["secret"] not in answer.text
    assert "new@example.com" not in answer.text
    assert refused.status_code == 403


async def test_what_was_done_cannot_be_undone_in_the_record(
    office: Office, visitor: httpx2.AsyncClient
) -> None:
    lea = await signed_up(visitor)
    for statement in ("DELETE FROM audit_events", "UPDATE audit_events SET action = 'nothing'"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with office.house.db.tenant(lea.tenant_id) as tx:
                await tx.run(statement)
