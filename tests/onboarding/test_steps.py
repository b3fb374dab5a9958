"""Each step writes what the running system reads; done again it changes those rows, and no more."""

from __future__ import annotations

import asyncio
import json
from datetime import date, time, timedelta

import pytest

from coccinelle.agents import actions as agents
from coccinelle.agents import store as agents_store
from coccinelle.agents.model import Agent, Voice, key_of
from coccinelle.appointments.model import Closure, NewMember, Opening
from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import Conflict, Invalid
from coccinelle.foundation.ids import TenantId
from coccinelle.foundation.outgoing import BadAddress
from coccinelle.knowledge import store as knowledge_store
from coccinelle.numbers import actions as numbers
from coccinelle.numbers.store import NumberTaken
from coccinelle.onboarding import actions
from coccinelle.onboarding.funnel import funnel
from coccinelle.onboarding.hours import SLOT
from coccinelle.onboarding.jobs import tell_everybody
from coccinelle.onboarding.model import Incomplete, SessionNotFound, StepTooEarly
from coccinelle.tenants import actions as tenants
from coccinelle.tenants.audit import OPERATOR
from tests.living import configuration
from tests.onboarding.setting import CLOSURE, STEPS, WEEK, Owner, done


@pytest.fixture
async def owner(db: Database, rivoli: TenantId) -> Owner:
    """An owner who has opened her session."""
    found = Owner(db, rivoli)
    await found.open()
    return found


async def live(owner: Owner) -> list[Agent]:
    async with owner.db.tenant(owner.tenant_id) as tx:
        return await agents_store.live_agents(tx)


async def told_hours(owner: Owner) -> dict[str, str]:
    """What answers know of the hours: question to answer."""
    async with owner.db.tenant(owner.tenant_id) as tx:
        content = await knowledge_store.content_in_slot(tx, SLOT)
    return {pair["question"]: pair["answer"] for pair in json.loads(content or b"[]")}


async def test_a_whole_onboarding_leaves_the_rows_that_the_system_reads(owner: Owner) -> None:
    seen = [(await owner.do(step)).current_step for step in STEPS]
    session = await owner.do("complete")
    rows = await owner.rows()

    assert seen == [3, 4, 5, 6, 6]
    assert (session.status, session.current_step) == ("completed", 6)
    assert session.duration_seconds is not None
    assert done(session) == {"business", "staff", "assistant", "knowledge"}
    assert rows["tenants"] == [("Garage Dupont", "automobile", "+33199004567", None, True, True)]
    assert rows["staff"] == [("Ana", None, "+33639981234", 0)]
    assert [row[0] for row in rows["opening_hours"]] == sorted([*range(1, 6)] * 2)
    greeting = "Garage Dupont, bonjour ! Je suis Leyna, votre assistance virtuelle. "
    greeting += "Comment puis-je vous aider ?"
    assert rows["agents"] == [("leyna", "Leyna", greeting, "multi_purpose")]
    assert rows["phone_numbers"] == [(owner.phone, "voice", None, None)]
    kinds = [(kind, url) for kind, _, url, _ in rows["sources"]]
    site = ("site", "https://www.garage-dupont.example/")
    assert kinds == [("faq", None), ("faq", None), site, ("text", None)]
    assert rows["events"] == [
        ("business", "entered"),
        ("business", "saved"),
        ("staff", "entered"),
        ("staff", "saved"),
        ("assistant", "entered"),
        ("assistant", "saved"),
        ("knowledge", "entered"),
        ("knowledge", "saved"),
        ("complete", "entered"),
        ("complete", "saved"),
    ]
    assert [action for (action,) in rows["audit"]] == [
        "onboarding.started",
        "onboarding.business_saved",
        "onboarding.staff_saved",
        "agent.published",
        "onboarding.assistant_saved",
        "onboarding.knowledge_saved",
        "onboarding.completed",
    ]


async def test_a_step_done_again_changes_its_rows_and_duplicates_nothing(owner: Owner) -> None:
    for step in STEPS[:4]:
        await owner.do(step)
    first = await owner.rows()
    session = None
    for step in STEPS[:4]:
        session = await owner.do(step)
    again = await owner.rows()

    assert session is not None
    assert session.current_step == 6
    for name in set(first) - {"events", "audit"}:
        assert again[name] == first[name], name
    assert len(again["events"]) == len(first["events"]) + 4


async def test_a_step_done_otherwise_leaves_what_was_said_last(owner: Owner) -> None:
    for step in STEPS[:4]:
        await owner.do(step)
    before = await live(owner)
    await owner.do("business", company_name="Garage Martin", phone=None, sector="coiffeur")
    await owner.do("staff", members=[NewMember("Bo"), NewMember("Ana")], hours=WEEK[:5])
    other = Owner(owner.db, owner.tenant_id)
    other.phone = "+33639590001"
    await owner.do("assistant", name="Freya", phone_number="06 39 59 00 01")
    await owner.do(
        "knowledge",
        website="https://garage-martin.example",
        documents=[("garantie", "Les réparations sont garanties deux ans.")],
        faqs=[],
    )
    rows, after = await owner.rows(), await live(owner)

    assert rows["tenants"][0][:3] == ("Garage Martin", "beaute", None)
    assert [row[0] for row in rows["staff"]] == ["Bo", "Ana"]
    assert rows["staff"][1][2] is None
    assert len(rows["opening_hours"]) == 5
    assert [agent.id for agent in after] == [agent.id for agent in before]
    assert [row[:2] for row in rows["agents"]] == [("leyna", "Freya")]
    assert "Garage Martin" in after[0].configuration.greeting
    assert "salon de beauté" in after[0].configuration.persona
    assert [row[0] for row in rows["phone_numbers"]] == ["+33639590001"]
    assert len(rows["sources"]) == 4
    assert "https://garage-martin.example/" in [url for _, _, url, _ in rows["sources"]]


async def test_the_rows_keep_their_ids_when_a_step_is_done_again(owner: Owner) -> None:
    async def ids() -> list[object]:
        async with owner.db.tenant(owner.tenant_id) as tx:
            query = "SELECT id FROM staff UNION SELECT id FROM sources UNION SELECT id FROM agents"
            query += " UNION SELECT id FROM phone_numbers ORDER BY 1"
            return [row["id"] for row in await tx.records(query)]

    for step in STEPS[:4]:
        await owner.do(step)
    first = await ids()
    await owner.do("staff", hours=WEEK[:3])
    await owner.do("assistant", name="Freya")
    await owner.do("knowledge", website="https://autre.example/")

    assert await ids() == first


async def test_a_new_company_name_reaches_what_the_assistant_says_unless_its_owner_wrote_it(
    owner: Owner,
) -> None:
    for step in STEPS[:2]:
        await owner.do(step)
    await owner.do("assistant", greeting="Coucou, ici Leyna !", system_prompt="Sois brève.")
    await owner.do("business", company_name="Salon Rivoli", sector="coiffure")
    (agent,) = await live(owner)

    assert agent.configuration.greeting == "Coucou, ici Leyna !"
    assert agent.configuration.persona == "Sois brève."
    assert "salon de beauté" in agent.configuration.description


async def test_nothing_said_of_staff_and_hours_is_what_the_sector_usually_has(
    owner: Owner,
) -> None:
    await owner.do("business", sector="restaurant")
    await owner.do("staff", members=[], hours=None)
    rows = await owner.rows()

    assert [row[0] for row in rows["staff"]] == ["La salle"]
    assert rows["opening_hours"][0] == (2, time(12), time(14, 30))
    assert {row[0] for row in rows["opening_hours"]} == {2, 3, 4, 5, 6}
    assert rows["tenants"][0][5] is None
    assert "Êtes-vous ouverts les jours fériés ?" not in await told_hours(owner)


async def test_a_later_step_waits_for_an_earlier_one(owner: Owner) -> None:
    for place, step in enumerate(STEPS[:4]):
        for later in STEPS[place + 1 : 4]:
            before = await owner.rows()
            with pytest.raises(StepTooEarly):
                await owner.do(later)
            assert await owner.rows() == before
        await owner.do(step)


async def test_completing_says_what_is_missing(owner: Owner) -> None:
    missing = []
    for step in ("business", "staff", "assistant"):
        with pytest.raises(Incomplete) as refused:
            await owner.do("complete")
        missing.append(refused.value.members["missing"])
        await owner.do(step)
    session = await owner.do("complete")

    assert missing == [["business", "staff", "assistant"], ["staff", "assistant"], ["assistant"]]
    assert session.status == "completed"
    assert "knowledge" not in done(session)


async def test_what_is_done_is_read_from_the_rows(owner: Owner) -> None:
    async with owner.db.tenant(owner.tenant_id) as tx:
        await agents.create(tx, key="leo", position=0, configuration=configuration("Léo", "pneus"))
    session = await owner.open()
    (made,) = [progress for progress in session.steps if progress.done]

    assert (made.step, made.done_at, made.duration_ms) == ("assistant", None, None)
    await owner.do("business")
    async with owner.db.tenant(owner.tenant_id) as tx:
        await tx.run("DELETE FROM agents")
    assert done(await owner.open()) == {"business"}


async def test_one_session_is_open_however_often_it_is_opened(owner: Owner) -> None:
    first = owner.session_id
    opened = await asyncio.gather(*(owner.open() for _ in range(8)))
    assert {session.id for session in opened} == {first}

    for step in STEPS:
        await owner.do(step)
    second = await owner.open()
    assert second.id != first
    assert second.status == "in_progress"
    await owner.do("business")
    await owner.do("staff")
    await owner.do("assistant", name="Freya")
    assert [row[:2] for row in (await owner.rows())["agents"]] == [("leyna", "Freya")]


async def test_a_step_is_timed_from_when_it_was_last_entered(owner: Owner) -> None:
    async with owner.db.tenant(owner.tenant_id) as tx:
        await tx.run("UPDATE onboarding_sessions SET started_at = now() - interval '2 hours'")
    async with owner.db.tenant(owner.tenant_id) as tx:
        found = await actions.get(tx, owner.session_id)
        assert found.steps[0].duration_ms is None
    session = await owner.do("business")
    again = await owner.do("business")
    (business, *others) = session.steps

    assert business.done_at is not None
    assert business.duration_ms is not None
    assert business.duration_ms < 60_000
    assert [other.done_at for other in others] == [None] * 3
    assert again.steps[0] == business


async def test_another_business_session_is_not_found(owner: Owner, nordlys: TenantId) -> None:
    stranger = Owner(owner.db, nordlys, owner.session_id, "+33639980000")
    for step in STEPS:
        with pytest.raises(SessionNotFound):
            await stranger.do(step)
    async with owner.db.tenant(nordlys) as tx:
        with pytest.raises(SessionNotFound):
            await actions.get(tx, owner.session_id)
    await actions.note_failure(owner.db, nordlys, owner.session_id, "business", "invalid")
    assert all("failed" not in row for row in (await owner.rows())["events"])


async def test_a_number_that_another_business_has_is_a_conflict_and_nothing_is_written(
    owner: Owner, nordlys: TenantId
) -> None:
    other = Owner(owner.db, nordlys, phone=owner.phone)
    await other.open()
    for who in (owner, other):
        await who.do("business")
        await who.do("staff")
    await owner.do("assistant")
    before = await other.rows()

    with pytest.raises(NumberTaken):
        await other.do("assistant", name="Freya")
    assert await other.rows() == before
    assert before["agents"] == []
    session = await other.do("assistant", name="Freya", phone_number=None)
    assert "assistant" in done(session)


async def test_two_businesses_claiming_one_number_at_once_leave_one_with_it(
    owner: Owner, nordlys: TenantId
) -> None:
    other = Owner(owner.db, nordlys, phone=owner.phone)
    await other.open()
    for who in (owner, other):
        await who.do("business")
        await who.do("staff")
    tries = (who.do("assistant") for who in (owner, other))
    results = await asyncio.gather(*tries, return_exceptions=True)
    refused = [found for found in results if isinstance(found, Exception)]

    assert [type(error) for error in refused] == [NumberTaken]
    held = [(await who.rows())["phone_numbers"] for who in (owner, other)]
    assert sorted(map(len, held)) == [0, 1]


async def test_two_tabs_at_once_leave_one_agent_and_one_number(owner: Owner) -> None:
    await owner.do("business")
    await owner.do("staff")
    await asyncio.gather(*(owner.do("assistant", name=name) for name in ("Leyna", "Freya") * 4))
    rows = await owner.rows()

    assert len(rows["agents"]) == 1
    assert len(rows["phone_numbers"]) == 1
    assert len(rows["staff"]) == 1


async def test_an_agent_of_the_business_made_otherwise_is_not_touched(owner: Owner) -> None:
    async with owner.db.tenant(owner.tenant_id) as tx:
        about = configuration("Leyna", "pneus")
        await agents.create(tx, key="leyna", position=0, configuration=about)
    for step in STEPS[:3]:
        await owner.do(step)

    first, second = await live(owner)
    assert first.configuration == about
    assert (second.key, second.name) == ("leyna-2", "Leyna")


async def test_a_number_that_stays_keeps_what_is_known_of_it(owner: Owner) -> None:
    for step in STEPS[:3]:
        await owner.do(step)
    async with owner.db.tenant(owner.tenant_id) as tx:
        await tx.run("UPDATE phone_numbers SET verified_at = now()")
    await owner.do("assistant", name="Freya", phone_number=None)
    await owner.do("assistant", name="Freya")
    async with owner.db.tenant(owner.tenant_id) as tx:
        (kept,), _ = await numbers.listed(tx, limit=5)
    await owner.do("assistant", phone_number="06 39 59 77 77")
    async with owner.db.tenant(owner.tenant_id) as tx:
        (changed,), _ = await numbers.listed(tx, limit=5)

    assert (kept.e164, kept.agent, kept.verified_at is not None) == (owner.phone, "leyna", True)
    assert (changed.e164, changed.verified_at, changed.active_since) == ("+33639597777", None, None)


async def test_voice_language_and_flags_are_the_agents(owner: Owner) -> None:
    await owner.do("business")
    await owner.do("staff")
    voice = Voice("elevenlabs", "pNInz6", settings=(("speed", 1.1),))
    await owner.do(
        "assistant",
        agent_type="appointment_booking",
        voice=voice,
        voice_language="en-US",
        enable_appointments=True,
    )
    (agent,) = await live(owner)
    made = agent.configuration

    assert made.voice == Voice("elevenlabs", "pNInz6", "en-US", (("speed", 1.1),))
    assert (made.type, made.language) == ("appointment_booking", "en")
    assert (made.enable_appointments, made.enable_products) == (True, False)
    assert made.greeting.startswith("Hello, welcome to Garage Dupont!")


async def test_the_hours_that_were_said_are_what_answers_know(owner: Owner) -> None:
    await owner.do("business")
    await owner.do("staff", closures=[CLOSURE], closes_on_public_holidays=False)
    first = await told_hours(owner)
    await owner.do("staff", hours=[Opening(6, time(9), time(12, 30))], closures=[])
    second = await told_hours(owner)

    assert first["Quels sont vos horaires d'ouverture ?"] == (
        "Du lundi au vendredi : de 8 h à 12 h et de 14 h à 17 h 30.\n"
        "Fermé le samedi et le dimanche.\n"
        "Prochaine fermeture : du 2 au 23 août 2099 (congés d'été)."
    )
    assert first["Êtes-vous ouverts le samedi ?"] == "Non, nous sommes fermés le samedi."
    assert first["Êtes-vous ouverts les jours fériés ?"].startswith("Oui")
    assert second["Êtes-vous ouverts le samedi ?"] == "Oui, le samedi, de 9 h à 12 h 30."
    assert "2099" not in str(second)


async def test_a_closure_that_is_over_is_told_no_more_the_next_day(owner: Owner) -> None:
    await owner.do("business")
    yesterday = date.today() - timedelta(days=2)
    passing = Closure(yesterday, yesterday, "inventaire")
    await owner.do("staff", closures=[CLOSURE])
    told = await told_hours(owner)
    async with owner.db.tenant(owner.tenant_id) as tx:
        await tx.run(
            "INSERT INTO closures (tenant_id, starts_on, ends_on, reason) VALUES (%s, %s, %s, %s)",
            [owner.tenant_id, passing.starts_on, passing.ends_on, passing.reason],
        )
        await tx.run("UPDATE closures SET ends_on = starts_on WHERE reason <> 'inventaire'")
    await tell_everybody(owner.db)
    again = await told_hours(owner)

    assert "2 au 23 août 2099" in str(told)
    assert "inventaire" not in str(again)
    assert "2 août 2099" in str(again)


async def test_hours_that_their_owner_deleted_are_not_told_by_the_clock(owner: Owner) -> None:
    await owner.do("business")
    await owner.do("staff")
    async with owner.db.tenant(owner.tenant_id) as tx:
        await tx.run("DELETE FROM sources")
    await tell_everybody(owner.db)
    assert await told_hours(owner) == {}
    await owner.do("staff")
    assert await told_hours(owner) != {}


async def test_what_cannot_be_is_refused_by_field(owner: Owner) -> None:
    async def refused(step: str, **said: object) -> list[tuple[str, str]]:
        before = await owner.rows()
        with pytest.raises(Invalid) as error:
            await owner.do(step, **said)
        assert await owner.rows() == before
        return [(one.field, one.code) for one in error.value.errors]

    assert await refused("business", phone="12") == [("phone", "bad_phone_number")]
    assert await refused("business", timezone="Mars/Olympus") == [("timezone", "unknown_timezone")]
    assert await refused("business", website="https://") == [("website", "bad_web_address")]
    await owner.do("business")
    twice = [NewMember("Ana"), NewMember("ANA")]
    assert await refused("staff", members=twice) == [("members.1.name", "member_twice")]
    member = [NewMember("Ana", phone="abc")]
    assert await refused("staff", members=member) == [("members.0.phone", "bad_phone_number")]
    crossing = [Opening(1, time(9), time(12)), Opening(1, time(11), time(14))]
    assert await refused("staff", hours=crossing) == [("hours.1", "openings_overlap")]
    night = [Opening(7, time(20), time(2)), Opening(1, time(1), time(9))]
    assert await refused("staff", hours=night) == [("hours.1", "openings_overlap")]
    nothing = [Opening(1, time(9), time(9))]
    assert await refused("staff", hours=nothing) == [("hours.0.closes", "empty_opening")]
    backwards = [Closure(date(2099, 1, 2), date(2099, 1, 1))]
    assert await refused("staff", closures=backwards) == [("closures.0.ends_on", "bad_closure")]
    twice_closed = [CLOSURE, CLOSURE]
    assert await refused("staff", closures=twice_closed) == [("closures.1", "closures_overlap")]
    await owner.do("staff")
    bad = [("phone_number", "bad_phone_number")]
    assert await refused("assistant", phone_number="3631") == bad
    await owner.do("assistant")
    with pytest.raises(BadAddress) as error:
        await owner.do("knowledge", website="ftp://x.example")
    assert [one.field for one in error.value.errors] == ["website"]


async def test_open_until_after_midnight_and_all_day_are_hours(owner: Owner) -> None:
    await owner.do("business")
    week = [Opening(5, time(19), time(1)), Opening(6, time(0), time(0))]
    with pytest.raises(Invalid):
        await owner.do("staff", hours=week)
    await owner.do("staff", hours=[Opening(5, time(19), time(0)), Opening(6, time(0), time(0))])
    told = await told_hours(owner)

    assert told["Êtes-vous ouverts le vendredi ?"] == "Oui, le vendredi, de 19 h à minuit."
    assert told["Êtes-vous ouverts le samedi ?"] == "Oui, le samedi, 24 heures sur 24."


async def test_a_key_is_made_of_a_name() -> None:
    assert key_of("Leyna", taken=[]) == "leyna"
    assert key_of("Élise O'Connor", taken=[]) == "elise-o-connor"
    assert key_of("Auto", taken=["auto", "escalate"]) == "auto-2"
    assert key_of("林", taken=[]) == "assistant"
    assert key_of("林", taken=["assistant", "assistant-2"]) == "assistant-3"
    assert len(key_of("x" * 100, taken=["x" * 40])) <= 63


async def test_the_funnel_counts_all_businesses_and_shows_none(
    owner: Owner, nordlys: TenantId
) -> None:
    before = await funnel(owner.db)
    other = Owner(owner.db, nordlys)
    await other.open()
    for step in STEPS:
        await owner.do(step)
    await actions.note_failure(owner.db, nordlys, other.session_id, "business", "invalid")
    after = await funnel(owner.db)

    assert after.started - before.started == 1
    assert after.completed - before.completed == 1
    assert after.per_day[-1].completed - before.per_day[-1].completed == 1
    assert len(after.per_day) == 7
    assert after.mean_seconds is not None
    assert after.success_rate is not None
    assert 0 < after.success_rate < 1
    changes = {
        step.step: (
            step.entered - earlier.entered,
            step.saved - earlier.saved,
            step.failed - earlier.failed,
        )
        for step, earlier in zip(after.steps, before.steps, strict=True)
    }
    assert changes["business"] == (1, 1, 1)
    assert changes["knowledge"] == (1, 1, 0)
    assert changes["complete"] == (1, 1, 0)


async def test_the_old_are_not_in_the_funnel(owner: Owner) -> None:
    for step in STEPS:
        await owner.do(step)
    before = await funnel(owner.db)
    async with owner.db.tenant(owner.tenant_id) as tx:
        await tx.run(
            "UPDATE onboarding_sessions SET started_at = started_at - interval '9 days',"
            " completed_at = completed_at - interval '8 days'"
        )
    after = await funnel(owner.db)

    assert after.started == before.started - 1
    assert after.completed == before.completed - 1


async def test_every_source_of_a_step_is_about_to_be_read(owner: Owner) -> None:
    for step in STEPS[:4]:
        await owner.do(step)
    async with owner.db.tenant(owner.tenant_id) as tx:
        states = await tx.records("SELECT id::text AS id, state FROM sources")
        await tx.run("SET LOCAL ROLE coccinelle_worker")
        deferred = await tx.records(
            "SELECT args ->> 'source_id' AS id FROM procrastinate.procrastinate_jobs"
        )

    assert {row["state"] for row in states} == {"waiting"}
    assert {row["id"] for row in states} <= {row["id"] for row in deferred}


async def test_the_same_site_given_as_a_source_before_is_not_kept_twice(owner: Owner) -> None:
    from coccinelle.knowledge import actions as knowledge
    from coccinelle.knowledge.model import web_source

    for step in STEPS[:3]:
        await owner.do(step)
    async with owner.db.tenant(owner.tenant_id) as tx:
        await knowledge.add(tx, web_source("site", "https://b.example/"))
    await owner.do("knowledge", website="https://a.example", documents=[], faqs=[])
    await owner.do("knowledge", website="https://b.example", documents=[], faqs=[])

    urls = [url for _, _, url, _ in (await owner.rows())["sources"] if url]
    assert urls == ["https://b.example/"]


async def test_a_conflict_is_what_a_taken_number_is() -> None:
    assert issubclass(NumberTaken, Conflict)
    assert NumberTaken().code == "number_taken"


async def test_the_business_is_known_to_answers_as_its_owner_wrote_it(owner: Owner) -> None:
    await owner.do("business", website="garage-dupont.example")
    async with owner.db.tenant(owner.tenant_id) as tx:
        from coccinelle.tenants import store

        found = await store.tenant(tx)
        await tenants.update(tx, address="1 rue des Lilas")

    assert found is not None
    assert found.facts == ("Garage Dupont", "+33199004567", "https://garage-dupont.example")
    assert OPERATOR.kind == "operator"
