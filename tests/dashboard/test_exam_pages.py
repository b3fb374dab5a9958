"""The exam and what a site proposes in the wizard, as a browser without JavaScript sees them."""

from __future__ import annotations

from html import unescape

import pytest

from tests.dashboard.place import GONE, Place, owner, place, site
from tests.dashboard.test_onboarding_pages import BUSINESS, Owner
from tests.examined import GAP, TOLD_TWICE, examined

__all__ = ["owner", "place", "site"]


async def test_her_site_fills_in_what_she_may_correct(place: Place, owner: Owner) -> None:
    await owner.client.get("/onboarding")
    typed = {**BUSINESS, "company_name": "Mon salon", "website": f"http://{place.site}/"}
    asked = await owner.send("/onboarding/business", {**typed, "read": "1"})
    assert asked.status_code == 200
    assert 'value="Mon salon"' in asked.text
    assert 'hx-get="/onboarding/business"' in asked.text
    await place.work()
    found = await owner.see("/onboarding/business")
    assert "Atelier Mèche" in found
    assert "hx-get" not in found
    taken = await owner.send("/onboarding/business", {**typed, "take": "1"})
    assert 'value="Atelier Mèche"' in taken.text
    assert f"Trouvé sur http://{place.site}/" in unescape(taken.text)
    assert await owner.rows("SELECT 1 FROM tenants WHERE described_at IS NOT NULL") == []

    await owner.do("business")
    staff = await owner.see("/onboarding/staff")
    assert "lus sur votre site" in staff
    assert f"http://{place.site}/" in staff
    assert 'value="19:00"' in staff
    await owner.do("staff")
    assert "lus sur votre site" not in await owner.see("/onboarding/staff")


async def test_a_site_that_cannot_be_read_leaves_the_form_as_it_was(
    place: Place, owner: Owner
) -> None:
    await owner.client.get("/onboarding")
    wrong = await owner.send("/onboarding/business", {**BUSINESS, "website": "", "read": "1"})
    assert wrong.status_code == 422
    assert 'id="website-error"' in wrong.text
    typed = {**BUSINESS, "website": f"http://{GONE}/", "read": "1"}
    await owner.send("/onboarding/business", typed)
    await place.work()
    page = await owner.see("/onboarding/business")
    assert "Vous pouvez corriger l’adresse" in page
    assert 'name="take"' not in page


async def test_the_exam_may_be_skipped_and_comes_after_the_assistant(owner: Owner) -> None:
    await owner.do("business", "staff")
    assert (await owner.client.get("/onboarding/exam")).headers["location"] == "/onboarding"
    refused = await owner.send("/onboarding/exam", {"start": "1"})
    assert refused.headers["location"] == "/onboarding"
    await owner.do("assistant", "knowledge")
    skipped = await owner.send("/onboarding/exam", {"onwards": "1"})
    assert skipped.headers["location"] == "/onboarding/done"
    assert await owner.rows("SELECT 1 FROM exams") == []


async def test_an_exam_is_started_once_and_followed(place: Place, owner: Owner) -> None:
    await owner.do("business", "staff", "assistant", "knowledge")
    for _ in range(2):
        started = await owner.send("/onboarding/exam", {"start": "1"})
        assert started.headers["location"] == "/onboarding/exam"
    assert 'hx-get="/onboarding/exam"' in await owner.see("/onboarding/exam")
    await place.work()
    page = await owner.see("/onboarding/exam")
    assert "hx-get" not in page
    assert "ont besoin de vous" in page
    assert await owner.rows("SELECT state FROM exams") == [("done",)]


async def test_what_is_missing_is_answered_or_left_as_it_is(place: Place, owner: Owner) -> None:
    await owner.do("business", "staff", "assistant", "knowledge")
    known = await examined(place.town.house.db, owner.account.tenant_id)
    page = await owner.see("/onboarding/exam")
    assert "2 questions ont besoin de vous" in page
    assert page.index(GAP) < page.index(TOLD_TWICE)
    assert "Vidange : 95 €" in page
    form = {"question": str(known.gap_id)}
    empty = await owner.send("/onboarding/exam", {**form, "text": " "})
    assert empty.status_code == 422
    assert f'id="text-{known.gap_id}-error"' in empty.text
    await owner.send("/onboarding/exam", {**form, "text": "Sous quatorze jours."})
    assert await owner.rows("SELECT expected FROM exam_tests") == [("Sous quatorze jours.",)]
    assert "1 question a besoin de vous" in await owner.see("/onboarding/exam")
    ((other_id,),) = await owner.rows("SELECT id FROM exam_questions WHERE conflict IS NOT NULL")
    await owner.send("/onboarding/exam", {"question": str(other_id), "dismiss": "1"})
    assert "Rien ne manque" in await owner.see("/onboarding/exam")


@pytest.mark.parametrize("question", ["", "x", "019dd1f0-5a0e-7c31-9f5c-3b1a9d0a7e11"])
async def test_a_question_that_is_not_there_is_refused(
    place: Place, owner: Owner, question: str
) -> None:
    await owner.do("business", "staff", "assistant")
    await examined(place.town.house.db, owner.account.tenant_id)
    answer = await owner.send("/onboarding/exam", {"question": question, "text": "Oui."})
    assert answer.status_code == 404


async def test_another_businesss_question_is_not_there(place: Place, owner: Owner) -> None:
    other = await place.town.owner()
    known = await examined(place.town.house.db, owner.account.tenant_id)
    async with other.client:
        await other.do("business", "staff", "assistant")
        form = {"question": str(known.gap_id), "text": "Oui."}
        assert (await other.send("/onboarding/exam", form)).status_code == 404
        assert GAP not in await other.see("/onboarding/exam")
    assert await owner.rows("SELECT 1 FROM exam_tests") == []
