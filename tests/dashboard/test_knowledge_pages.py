"""The pages of knowledge over HTTP, as a browser without JavaScript sends them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from html import unescape
from uuid import uuid4

import httpx2
import pytest

from coccinelle.foundation.ids import SourceId
from coccinelle.knowledge import actions, answers, store
from coccinelle.knowledge.model import Question
from tests.accounts import joined
from tests.dashboard.place import GONE, Place, owner, place, site
from tests.dashboard.test_onboarding_pages import Owner
from tests.knowledge.test_sources import agent
from tests.wondered import WONDERED

__all__ = ["owner", "place", "site"]

KNOWLEDGE = "/dashboard/knowledge"
PAIR = {"question": "Prenez-vous la carte ?", "answer": "Oui, la carte bancaire, dès un euro."}
File = tuple[str, bytes, str]
PRICES: File = ("tarifs.csv", "Prestation;Prix\nVidange;89 €\n".encode(), "text/csv")


@pytest.fixture
async def other(place: Place) -> AsyncIterator[Owner]:
    """Somebody of another business."""
    found = await place.town.owner()
    async with found.client:
        yield found


async def upload(
    owner: Owner, *files: File, path: str = f"{KNOWLEDGE}/files", **fields: str
) -> httpx2.Response:
    """Files as a form of a browser sends them; without any, its file field is blank."""
    own = str(owner.client.base_url).rstrip("/")
    parts = [("files", file) for file in files or [("", b"", "application/octet-stream")]]
    return await owner.client.post(path, files=parts, data=fields, headers={"Origin": own})


async def added(owner: Owner, answer: httpx2.Response, done: str) -> None:
    """It was taken, and the list says what becomes of it."""
    assert (answer.status_code, answer.headers["location"]) == (303, f"{KNOWLEDGE}?done={done}")
    assert 'role="status"' in await owner.see(answer.headers["location"])


async def sources(owner: Owner) -> list[tuple[SourceId, str]]:
    """Ids and titles, the newest first."""
    found = await owner.rows("SELECT id, title FROM sources ORDER BY id DESC")
    return [(SourceId(row[0]), row[1]) for row in found]


async def wonder(owner: Owner, question: str = WONDERED) -> str:
    """The id of a question that was asked in vain."""
    async with owner.house.db.tenant(owner.account.tenant_id) as tx:
        await actions.record_gap(tx, question=question, best_score=0.1)
    ((found,),) = await owner.rows(
        f"SELECT id FROM knowledge_gaps WHERE question = '{question}' AND settled_at IS NULL"
    )
    return str(found)


async def test_nothing_is_known_yet_and_the_page_says_where_to_begin(owner: Owner) -> None:
    page = await owner.see(KNOWLEDGE)
    assert "Commencez par l’adresse de votre site" in page
    assert "hx-get" not in page
    assert "Aucune question n’attend de réponse" in await owner.see(f"{KNOWLEDGE}/questions")
    assert "Essayer une question" in await owner.see(f"{KNOWLEDGE}/search")


async def test_a_site_is_read_page_by_page(place: Place, owner: Owner) -> None:
    form = {"website": f"http://{place.site}/", "kind": "site"}
    await added(owner, await owner.send(f"{KNOWLEDGE}/site", form), "site")
    assert 'hx-trigger="every 2s"' in await owner.see(KNOWLEDGE)
    await place.work()
    page = await owner.see(KNOWLEDGE)
    assert "hx-trigger" not in page
    assert re.search(r"\d+ pages lues · \d+ passages", page)
    ((source_id, _),) = await sources(owner)
    listed = await owner.see(f"{KNOWLEDGE}/sources/{source_id}")
    (document, *_) = re.findall(rf"{KNOWLEDGE}/documents/[0-9a-f-]+", listed)
    text = await owner.see(document)
    assert "passage par passage" in text
    assert "Atelier Mèche" in text
    again = await owner.send(f"{KNOWLEDGE}/site", form)
    await added(owner, again, "known")


async def test_what_could_not_be_read_says_why_and_is_read_again_where_it_is_listed(
    place: Place, owner: Owner
) -> None:
    await owner.send(f"{KNOWLEDGE}/site", {"website": f"http://{GONE}/", "kind": "page"})
    await place.work()
    assert "Vérifiez qu'elle s'ouvre dans un navigateur" in await owner.see(KNOWLEDGE)
    ((source_id, _),) = await sources(owner)
    again = await owner.send(f"{KNOWLEDGE}/sources/{source_id}", {"do": "read", "from": "list"})
    await added(owner, again, "reading")
    assert await owner.rows("SELECT state FROM sources") == [("waiting",)]


async def test_several_files_come_at_once_and_a_newer_one_takes_its_namesakes_place(
    place: Place, owner: Owner
) -> None:
    menu = ("carte.txt", "Plat du jour : 14 €.".encode(), "text/plain")
    await added(owner, await upload(owner, PRICES, menu), "files")
    await added(owner, await upload(owner, PRICES), "known")
    newer = (PRICES[0], PRICES[1].replace(b"89", b"95"), PRICES[2])
    await added(owner, await upload(owner, newer), "replaced")
    assert sorted(title for _, title in await sources(owner)) == ["carte.txt", "tarifs.csv"]
    await place.work()
    source_id = next(known for known, title in await sources(owner) if title == "tarifs.csv")
    page = await owner.see(f"{KNOWLEDGE}/sources/{source_id}")
    (document,) = re.findall(rf"{KNOWLEDGE}/documents/[0-9a-f-]+", page)
    text = await owner.see(document)
    assert "95 €" in text
    assert "89 €" not in text


BAD: dict[str, tuple[bytes, str, str]] = {
    "vide.txt": (b"", "Ce fichier est vide", "This file is empty"),
    "film.mp4": (
        b"\x00\x00\x00\x18ftypmp42" + bytes(64),
        "n'est pas pris en charge",
        "not supported",
    ),
    "abime.pdf": (b"%PDF-1.7\n1 0 obj\n<<", "Ce fichier est abîmé", "This file is damaged"),
    "abime.docx": (b"PK\x03\x04" + bytes(200), "Ce fichier est abîmé", "This file is damaged"),
    "photo.png": (b"\x89PNG\r\n\x1a\n" + bytes(50), "Ce fichier est abîmé", "This file is damaged"),
}


async def test_each_file_that_cannot_be_read_says_why_in_both_languages(
    place: Place, owner: Owner
) -> None:
    files = [(name, content, "") for name, (content, _, _) in BAD.items()]
    await added(owner, await upload(owner, *files), "files")
    await place.work()
    french = await owner.see(KNOWLEDGE)
    owner.client.cookies.set("lang", "en")
    english = await owner.see(KNOWLEDGE)
    for name, (_, in_french, in_english) in BAD.items():
        assert in_french in row(french, name), name
        assert in_english in row(english, name), name


def row(page: str, title: str) -> str:
    """What the list says of a source."""
    return next(part for part in page.split('<li id="source-') if f">{title}</a>" in part)


async def test_an_answer_is_given_corrected_and_withdrawn(place: Place, owner: Owner) -> None:
    await added(owner, await owner.send(f"{KNOWLEDGE}/answers", PAIR), "answer")
    await place.work()
    ((source_id, title),) = await sources(owner)
    assert title == "Réponses de l’équipe"
    assert PAIR["answer"] in await owner.see(f"{KNOWLEDGE}/sources/{source_id}")
    newer = {**PAIR, "answer": "Oui, et les chèques."}
    await owner.send(f"{KNOWLEDGE}/answers", newer)
    page = await owner.see(f"{KNOWLEDGE}/sources/{source_id}")
    assert "et les chèques" in page
    assert PAIR["answer"] not in page.split('id="documents"')[0]
    gone = await owner.send(f"{KNOWLEDGE}/answers", {**PAIR, "do": "withdraw"})
    await added(owner, gone, "withdrawn")
    assert await sources(owner) == []


WRONG: Sequence[tuple[str, dict[str, str], str, str, str]] = [
    ("site", {"website": ""}, "website", "Ce champ est obligatoire", "This field is required"),
    (
        "site",
        {"website": "ftp://a.example"},
        "website",
        "elle commence par http",
        "starts with http",
    ),
    ("site", {"website": "a" * 2_100}, "website", "C'est trop long", "This is too long"),
    ("answers", {**PAIR, "question": " "}, "question", "ne peut pas être vide", "cannot be empty"),
    ("answers", {**PAIR, "answer": ""}, "answer", "est obligatoire", "is required"),
    ("answers", {**PAIR, "answer": "é" * 4_001}, "answer", "C'est trop long", "This is too long"),
]


@pytest.mark.parametrize(("to", "form", "field", "french", "english"), WRONG)
async def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_kept(
    owner: Owner, to: str, form: dict[str, str], field: str, french: str, english: str
) -> None:
    for lang, sentence in (("fr", french), ("en", english)):
        owner.client.cookies.set("lang", lang)
        answer = await owner.send(f"{KNOWLEDGE}/{to}", form)
        assert answer.status_code == 422
        said = unescape(answer.text).split(f'id="{field}-error"')[1].split("</p>")[0]
        assert sentence in said
    assert await sources(owner) == []


async def test_a_form_without_a_file_or_for_no_agent_of_hers_is_refused(owner: Owner) -> None:
    none = await upload(owner)
    assert none.status_code == 422
    assert "Choisissez au moins un fichier" in unescape(none.text)
    unknown = await upload(owner, PRICES, agents="nobody")
    assert unknown.status_code == 422
    site = await owner.send(f"{KNOWLEDGE}/site", {"website": "a.example", "agents": "nobody"})
    assert site.status_code == 422
    half = await owner.client.post(
        f"{KNOWLEDGE}/files",
        content=b"--x\r\n",
        headers={
            "Origin": str(owner.client.base_url).rstrip("/"),
            "Content-Type": "multipart/form-data; boundary=x",
        },
    )
    assert half.status_code == 422
    assert await sources(owner) == []


async def test_a_source_is_renamed_lent_to_some_read_again_and_removed(
    place: Place, owner: Owner
) -> None:
    for key in ("audrey", "carole"):
        await agent(owner.house.db, owner.account.tenant_id, key)
    await upload(owner, PRICES, agents="carole")
    await place.work()
    ((source_id, _),) = await sources(owner)
    path = f"{KNOWLEDGE}/sources/{source_id}"
    assert "Pour Carole" in await owner.see(KNOWLEDGE)
    renamed = await owner.send(path, {"do": "rename", "title": " Nos tarifs "})
    assert renamed.headers["location"] == f"{path}?done=renamed"
    await owner.send(path, {"do": "agents"})
    assert "Pour tous vos assistants" in await owner.see(path)
    assert await owner.rows("SELECT 1 FROM source_agents") == []
    for wrong in (
        {"do": "rename", "title": " "},
        {"do": "agents", "agents": "nobody"},
        {"do": "x"},
    ):
        assert (await owner.send(path, wrong)).status_code == 422
    await owner.send(path, {"do": "read"})
    assert await owner.rows("SELECT title, state FROM sources") == [("Nos tarifs", "waiting")]
    page = await owner.see(path)
    assert "votre assistant répond avec ce qu’il en savait" in page
    assert "Oui, retirer" in page
    gone = await owner.send(path, {"do": "remove"})
    await added(owner, gone, "removed")
    assert await sources(owner) == []
    assert (await owner.client.get(path)).status_code == 404


async def test_long_lists_go_on_and_titles_are_searched(place: Place, owner: Owner) -> None:
    files = [(f"fichier{n}.txt", f"Texte {n}".encode(), "text/plain") for n in range(32)]
    await upload(owner, *files)
    first = await owner.see(KNOWLEDGE)
    (older,) = re.findall(rf'{KNOWLEDGE}\?before=[0-9a-f-]+(?=">Plus)', first)
    rest = await owner.see(older)
    assert (first.count('<li id="source-'), rest.count('<li id="source-')) == (30, 2)
    ((source_id, _), *_) = await sources(owner)
    async with owner.house.db.tenant(owner.account.tenant_id) as tx:
        await tx.run(
            "INSERT INTO documents (id, tenant_id, source_id, position, title, content_sha256)"
            " SELECT gen_random_uuid(), %s, %s, n, 'Été n°' || n, ''"
            " FROM generate_series(0, 54) n",
            [tx.tenant_id, source_id],
        )
    path = f"{KNOWLEDGE}/sources/{source_id}"
    page = await owner.see(path)
    assert (page.count("/documents/"), f"{path}?after=49&q=" in page) == (50, True)
    assert (await owner.see(f"{path}?after=49")).count("/documents/") == 5
    assert (await owner.see(f"{path}?q=ETE+N°5")).count("/documents/") == 6
    assert "Aucun titre ne contient ces mots" in await owner.see(f"{path}?q=hiver")


async def test_the_tester_says_whether_the_assistant_would_answer(
    place: Place, owner: Owner
) -> None:
    await owner.send(f"{KNOWLEDGE}/answers", PAIR)
    await place.work()
    known = await owner.send(f"{KNOWLEDGE}/search", {"question": PAIR["question"]})
    page = unescape(known.text)
    assert "Il répondrait" in page
    assert PAIR["answer"] in page
    assert re.findall("Mots trouvés.: ([^<]*)", page) == ["Prenez, carte"]
    assert "Sert à répondre" in page
    assert "<meter" in page
    unknown = await owner.send(f"{KNOWLEDGE}/search", {"question": "Élevez-vous des lamas ?"})
    assert "Il ne répondrait pas" in unescape(unknown.text)
    for wrong in ({"question": ""}, {"question": "Oui ?", "agent": "nobody"}):
        refused = await owner.send(f"{KNOWLEDGE}/search", wrong)
        assert (refused.status_code, 'aria-invalid="true"' in refused.text) == (422, True) or (
            "agent" in wrong and refused.status_code == 422
        )


async def test_a_question_is_answered_and_leaves_the_list(place: Place, owner: Owner) -> None:
    gap_id = await wonder(owner)
    assert "1 question de vos clients est restée sans réponse" in await owner.see(KNOWLEDGE)
    path = f"{KNOWLEDGE}/questions/{gap_id}"
    empty = await owner.send(path, {"text": " ", "do": "answer"})
    assert empty.status_code == 422
    assert f'id="text-{gap_id}-error"' in empty.text
    answered = await owner.send(path, {"text": "Oui, à la livraison.", "do": "answer"})
    page = await owner.see(answered.headers["location"])
    assert WONDERED not in page
    assert "Il apprend vos réponses" in page
    await place.work()
    assert "Il apprend vos réponses" not in await owner.see(f"{KNOWLEDGE}/questions")
    found = await owner.send(f"{KNOWLEDGE}/search", {"question": WONDERED})
    assert "Oui, à la livraison." in unescape(found.text)

    await wonder(owner)
    back = await owner.see(f"{KNOWLEDGE}/questions?order=most_asked")
    assert "Posée 2 fois" in back
    assert "précisez votre réponse" in back
    assert "Oui, à la livraison.</textarea>" in back


async def test_nothing_is_lost_when_answers_cannot_be_learnt(owner: Owner) -> None:
    gap_id = await wonder(owner)
    await owner.send(f"{KNOWLEDGE}/questions/{gap_id}", {"text": "Oui.", "do": "answer"})
    async with owner.house.db.tenant(owner.account.tenant_id) as tx:
        source = await answers.source(tx)
        assert source is not None
        await store.fail(tx, source_id=source.id, generation=1, code="internal", values={})
    page = await owner.see(f"{KNOWLEDGE}/questions")
    assert "Vos réponses sont gardées, mais pas encore apprises" in page
    assert "Rien n’est perdu" in page
    async with owner.house.db.tenant(owner.account.tenant_id) as tx:
        assert await answers.given(tx) == [Question(WONDERED, "Oui.")]


async def test_a_question_is_set_aside_and_put_back(owner: Owner) -> None:
    gap_id = await wonder(owner)
    path = f"{KNOWLEDGE}/questions/{gap_id}"
    away = await owner.send(path, {"do": "dismiss"})
    page = await owner.see(away.headers["location"])
    elsewhere = f"{KNOWLEDGE}/questions?done=dismissed&gap=../../inbox/{gap_id}/close"

    assert "Cette question est écartée" in page
    assert f'action="{path}?' in page
    assert WONDERED not in page
    assert (await owner.client.get(elsewhere)).status_code == 422
    await owner.send(path, {"do": "reopen"})
    assert WONDERED in await owner.see(f"{KNOWLEDGE}/questions")


async def test_a_source_is_removed_in_the_wizard_and_what_was_typed_stays(
    place: Place, owner: Owner
) -> None:
    await owner.do("business", "staff", "assistant")
    await owner.do("knowledge", website=f"http://{GONE}/", stay="1")
    ids = {title: str(source_id) for source_id, title in await sources(owner)}
    site_id = ids[f"http://{GONE}/"]
    assert f'value="{site_id}" formnovalidate' in await owner.see("/onboarding/knowledge")
    typed = {"website": f"http://{GONE}/", "faqs.0.question": "Un ?", "faqs.0.answer": "Deux."}
    fields = {**typed, "remove": site_id}
    answer = await upload(owner, path="/onboarding/knowledge", **fields)
    page = unescape(answer.text)
    assert answer.status_code == 200
    assert 'value="Un ?"' in page
    assert f'value="http://{GONE}/"' not in page
    assert site_id not in page
    assert site_id not in {str(known) for known, _ in await sources(owner)}
    again = await upload(owner, path="/onboarding/knowledge", **fields)
    assert again.status_code == 200
    assert (await upload(owner, path="/onboarding/knowledge", remove="x")).status_code == 404


async def test_another_businesss_knowledge_is_not_there(
    place: Place, owner: Owner, other: Owner
) -> None:
    canary = f"canari{uuid4().hex[:10]}"
    gap_id = await wonder(other, f"Où est le {canary} ?")
    await other.send(f"{KNOWLEDGE}/answers", {"question": f"Un {canary} ?", "answer": canary})
    await place.work()
    ((source_id, _),) = await sources(other)
    ((document_id,),) = await other.rows("SELECT id FROM documents")
    before = await other.rows("SELECT s::text, g::text FROM sources s, knowledge_gaps g")
    for path in (f"sources/{source_id}", f"documents/{document_id}"):
        assert (await other.client.get(f"{KNOWLEDGE}/{path}")).status_code == 200
        assert (await owner.client.get(f"{KNOWLEDGE}/{path}")).status_code == 404
    for path, forms in {
        f"sources/{source_id}": ("read", "rename", "agents", "remove"),
        f"questions/{gap_id}": ("answer", "dismiss", "reopen"),
    }.items():
        for do in forms:
            sent = {"do": do, "title": "Autre", "text": "Oui."}
            assert (await owner.send(f"{KNOWLEDGE}/{path}", sent)).status_code == 404, do
    found = await owner.send(f"{KNOWLEDGE}/search", {"question": f"Un {canary} ?"})
    assert f">{canary}<" not in found.text
    for path in ("", "/questions", "/search", f"?before={source_id}", f"/questions?after={gap_id}"):
        assert canary not in await owner.see(KNOWLEDGE + path), path
    assert before == await other.rows("SELECT s::text, g::text FROM sources s, knowledge_gaps g")


async def test_every_member_of_the_team_feeds_it(place: Place, owner: Owner) -> None:
    member = await place.town.owner(
        await joined(owner.house, owner.account.tenant_id, role="member")
    )
    async with member.client:
        await added(member, await member.send(f"{KNOWLEDGE}/answers", PAIR), "answer")
