"""What a widget shows first: of its own business, in the reader's language, for allowed pages."""

from __future__ import annotations

import string
import tomllib
from importlib import resources
from typing import Any

import httpx2
import pytest

from coccinelle.channels.widget import actions
from coccinelle.channels.widget.model import reply_promise
from coccinelle.foundation.errors import Invalid
from coccinelle.foundation.ids import TenantId
from coccinelle.tenants import actions as tenants
from coccinelle.tenants import store as tenants_store
from tests.channels.widget.conftest import PAGE, Street
from tests.living import Business, client

PATH = "/api/widget/config"


async def told(street: Street, business: Business, **parameters: str) -> dict[str, Any]:
    """The configuration as a page gets it, without a header of ours."""
    async with client(street.url) as browser:
        asked = {"key": business.public_key, **parameters}
        answer = await browser.get(PATH, params=asked, headers={"Origin": PAGE})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def change(street: Street, tenant_id: TenantId, **changes: str) -> None:
    async with street.house.db.tenant(tenant_id) as tx:
        await actions.change(tx, **changes)


async def test_a_page_is_told_what_its_widget_shows(street: Street) -> None:
    config = await told(street, street.rivoli, lang="fr")

    assert config == {
        "company": "Rivoli",
        "language": "fr",
        "disclosure": (
            "Ici, c'est une intelligence artificielle qui vous répond pour Rivoli, pas une"
            " personne. Elle peut se tromper. À tout moment, vous pouvez demander à parler à une"
            " personne."
        ),
        "greeting": "Bonjour, je suis Audrey.",
        "agent": {"key": "audrey", "name": "Audrey"},
        "color": None,
        "position": None,
        "reply_promise": "Une personne vous répond dès que possible.",
        "message_chars": 2000,
        "link_hosts": [],
    }


async def test_what_one_business_chose_is_never_shown_by_another(street: Street) -> None:
    before = await told(street, street.nordlys, lang="fr")
    async with street.house.db.tenant(street.rivoli.id) as tx:
        await tenants.update(
            tx, website="https://Rivoli.example:8443/x", offer_url="https://rdv.rivoli.example/a"
        )
        await actions.change(
            tx,
            color="#B3261E",
            position="left",
            greeting_fr="Bienvenue chez nous.",
            reply_within_minutes="120",
        )

    rivoli, nordlys = [await told(street, b, lang="fr") for b in (street.rivoli, street.nordlys)]
    await change(
        street, street.rivoli.id, color="", position="", greeting_fr=" ", reply_within_minutes=""
    )
    after = await told(street, street.rivoli, lang="fr")

    assert (rivoli["color"], rivoli["position"]) == ("#b3261e", "left")
    assert rivoli["greeting"] == "Bienvenue chez nous."
    assert rivoli["reply_promise"] == "Une personne vous répond en général sous 2 heures."
    assert rivoli["link_hosts"] == ["rivoli.example", "rdv.rivoli.example"]
    assert nordlys == before
    assert (after["color"], after["position"]) == (None, None)
    assert after["greeting"] == "Bonjour, je suis Audrey."


async def test_a_business_without_agents_greets_by_its_name(street: Street) -> None:
    tenant_id = await tenants.create(street.house.db, slug="sans-agent", company_name="Chez Lou")
    async with street.house.db.tenant(tenant_id) as tx:
        await tenants.bind_host(tx, host="sans-agent.localhost")
    async with client(street.url, None, Host="sans-agent.localhost") as browser:
        french = (await browser.get(PATH)).json()
        english = (await browser.get(PATH, params={"lang": "en"})).json()

    assert french["agent"] is english["agent"] is None
    assert (
        french["greeting"] == "Chez Lou vous souhaite la bienvenue. Que puis-je faire pour vous ?"
    )
    assert english["greeting"] == "Welcome to Chez Lou. How can I help you?"


async def test_an_agent_that_speaks_another_language_is_introduced(street: Street) -> None:
    config = await told(street, street.rivoli, lang="en")

    assert config["greeting"] == (
        "Hello, my name is Audrey and I answer for Rivoli. How can I help you?"
    )
    assert "artificial intelligence" in config["disclosure"]
    assert "Rivoli" in config["disclosure"]


async def test_a_greeting_is_only_for_its_own_language(street: Street) -> None:
    await change(street, street.nordlys.id, greeting_en="Hi there.")
    languages = [await told(street, street.nordlys, lang=lang) for lang in ("en", "fr")]
    await change(street, street.nordlys.id, greeting_en="")

    assert [config["greeting"] for config in languages] == ["Hi there.", "Bonjour, je suis Audrey."]


@pytest.mark.parametrize(
    ("parameters", "accepted", "language"),
    [
        ({"lang": "en"}, "fr", "en"),
        ({"lang": "fr"}, "en-GB", "fr"),
        ({}, "en-GB, fr;q=0.5", "en"),
        ({}, "de", "fr"),
        ({}, "", "fr"),
    ],
)
async def test_the_language_is_what_the_page_says_then_what_the_browser_prefers(
    street: Street, parameters: dict[str, str], accepted: str, language: str
) -> None:
    headers = {"Accept-Language": accepted}
    async with client(street.url, street.rivoli, **headers) as browser:
        answer = await browser.get(PATH, params=parameters)

    assert answer.json()["language"] == language


async def test_the_language_is_the_businesss_own_when_nobody_says(street: Street) -> None:
    tenant_id = await tenants.create(
        street.house.db, slug="speaks-english", company_name="Lou's", locale="en"
    )
    async with street.house.db.tenant(tenant_id) as tx:
        await tenants.bind_host(tx, host="english.localhost")
    async with client(street.url, None, Host="english.localhost") as browser:
        languages = [
            (await browser.get(PATH, headers=headers)).json()["language"]
            for headers in ({}, {"Accept-Language": "de"}, {"Accept-Language": "fr"})
        ]

    assert languages == ["en", "en", "fr"]


async def test_the_configuration_may_be_kept_for_five_minutes_by_those_it_is_for(
    street: Street,
) -> None:
    async with street.page(street.rivoli) as browser:
        answer = await browser.get(PATH)
    async with client(street.url, street.rivoli) as ours:
        without_page = await ours.get(PATH)

    for kept in (answer, without_page):
        assert kept.headers["cache-control"] == "public, max-age=300"
        assert kept.headers.get_list("vary") == [
            "Origin, Accept-Language, X-Coccinelle-Key, Authorization, Cookie"
        ]
        assert "set-cookie" not in kept.headers
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "access-control-allow-origin" not in without_page.headers


ORIGINS = [
    (PAGE, 200),
    ("https://A.example", 403),
    ("https://a.example.", 403),
    ("https://a.example/", 403),
    ("https://a.example:443", 403),
    ("https://a.example:444", 403),
    ("http://a.example", 403),
    ("https://good-a.example", 403),
    ("https://a.example.evil.example", 403),
    ("https://sub.a.example", 403),
    ("null", 403),
    ("", 403),
    ("*", 403),
    ("file://", 403),
    (f"{PAGE}, https://evil.example", 403),
    ("https://evil.example", 403),
]


@pytest.mark.parametrize(("origin", "status"), ORIGINS)
async def test_a_key_is_for_the_pages_that_it_lists(
    street: Street, origin: str, status: int
) -> None:
    async with street.page(street.rivoli, Origin=origin) as browser:
        asked = await browser.get(PATH)
        preflight = await browser.options(
            PATH,
            headers={
                "Access-Control-Request-Method": "GET",
                "Access-Control-Request-Headers": "x-coccinelle-key",
            },
        )

    for answer in (asked, preflight):
        is_allowed = "access-control-allow-origin" in answer.headers
        assert is_allowed is (status == 200)
    assert asked.status_code == status
    assert preflight.status_code == (204 if status == 200 else 403)
    if status != 200:
        assert asked.headers["cache-control"] == "no-store"


async def test_a_key_that_is_unknown_or_revoked_is_nobodys(street: Street) -> None:
    async with street.house.db.tenant(street.rivoli.id) as tx:
        gone = await tenants.create_public_key(tx, name="ancienne", origins=[PAGE])
        await tenants_store.revoke_key(tx, gone.id)
    answers = []
    async with client(street.url, None, Origin=PAGE) as browser:
        for key in (gone.secret, "pk_nobody", street.rivoli.api_key):
            answers.append(await browser.get(PATH, params={"key": key}))
        answers.append(await browser.get(PATH))

    assert [answer.status_code for answer in answers] == [401] * 4
    assert all(answer.headers["cache-control"] == "no-store" for answer in answers)


async def test_a_language_that_we_do_not_speak_is_refused(street: Street) -> None:
    async with client(street.url, street.rivoli) as browser:
        answer: httpx2.Response = await browser.get(PATH, params={"lang": "de"})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "lang"


@pytest.mark.parametrize(
    ("minutes", "french", "english"),
    [
        (None, "dès que possible", "as soon as possible"),
        (1, "dans la minute", "within a minute"),
        (30, "sous 30 minutes", "within 30 minutes"),
        (60, "dans l'heure", "within an hour"),
        (90, "sous 90 minutes", "within 90 minutes"),
        (91, "sous 2 heures", "within 2 hours"),
        (120, "sous 2 heures", "within 2 hours"),
        (121, "sous 3 heures", "within 3 hours"),
        (1440, "sous 24 heures", "within 24 hours"),
        (2880, "sous 2 jours", "within 2 days"),
        (2881, "sous 3 jours", "within 3 days"),
        (43_200, "sous 30 jours", "within 30 days"),
    ],
)
def test_a_promise_is_in_plain_words_and_never_too_early(
    minutes: int | None, french: str, english: str
) -> None:
    assert f" {french}." in reply_promise(minutes, "fr")
    assert f" {english}." in reply_promise(minutes, "en")


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("color", "red", "bad_color"),
        ("color", "#fff", "bad_color"),
        ("color", "#12345g", "bad_color"),
        ("color", "#123456;background:url(//evil)", "bad_color"),
        ("position", "top", "not_one_of"),
        ("greeting_fr", "x" * 501, "too_long"),
        ("greeting_en", "a\x00", "unstorable_characters"),
        ("reply_within_minutes", "0", "bad_reply_delay"),
        ("reply_within_minutes", "43201", "bad_reply_delay"),
        ("reply_within_minutes", "-5", "bad_reply_delay"),
        ("reply_within_minutes", "two", "bad_reply_delay"),
        ("reply_within_minutes", "²", "bad_reply_delay"),
    ],
)
async def test_what_cannot_be_is_refused_and_changes_nothing(
    street: Street, field: str, value: str, code: str
) -> None:
    before = await told(street, street.rivoli)

    with pytest.raises(Invalid) as refused:
        await change(street, street.rivoli.id, **{"position": "left", field: value})

    assert refused.value.code == code
    assert await told(street, street.rivoli) == before


def test_what_a_widget_says_is_whole_in_both_languages() -> None:
    written = resources.files("coccinelle.foundation").joinpath("sentences.toml").read_text("utf-8")
    every = tomllib.loads(written)["texts"]
    texts = {name: said for name, said in every.items() if name.startswith("widget_")}

    assert texts
    for name, said in texts.items():
        values = [
            {field for _, field, _, _ in string.Formatter().parse(said[locale]) if field}
            for locale in ("fr", "en")
        ]
        assert values[0] == values[1], name
        assert said["fr"] != said["en"], name
        for sentence in (said["fr"], said["en"]):
            assert sentence == sentence.strip(), name
            assert sentence[0].isupper() or sentence[0] == "{", name
            assert sentence[-1] in ".?", name


def test_the_disclosure_has_nothing_of_the_business_but_its_name() -> None:
    written = resources.files("coccinelle.foundation").joinpath("sentences.toml").read_text("utf-8")
    said = tomllib.loads(written)["texts"]["widget_disclosure"]

    for sentence in said.values():
        assert [f for _, f, _, _ in string.Formatter().parse(sentence) if f] == ["company"]
