"""The panel, as visitors use it: every state, against a server that answers as it is told."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Locator, Page, expect

from tests.browser.scripted import Event, Gate, Refusal, Scripted, answer, delta, uid
from tests.browser.site import Site, document, embed, opened

DISCLOSURE = "Vous parlez à une intelligence artificielle de L'Agence des Copines."
PUBLISHED = "https://www.agence-des-copines.example/aide"
SOURCES = [
    {"title": "Bienvenue", "url": PUBLISHED, "score": 0.8},
    {"title": "Guide interne", "url": None, "score": 0.5},
]
RENDER = """async ([base, texts, titles]) => {
  const { Markdown } = await import(base + "/widget/markdown.js");
  const shown = document.createElement("div");
  const options = { hosts: ["agence.example"], onmark() {}, markName: () => "Source" };
  const view = new Markdown(shown, options);
  for (const text of texts.slice(0, -1)) view.write(text);
  view.finish(texts.at(-1), titles);
  return shown.innerHTML;
}"""


async def visit(page: Page, site: Site, scripted: Scripted, **data: Any) -> Page:
    """A page with the widget, opened by a click."""
    await page.goto(site.put("/", document("", head=embed(scripted.url, **data))))
    await opened(page)
    return page


def composer(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Votre message")


def bubbles(page: Page) -> Locator:
    """What was said, the greeting left out."""
    return page.locator(".log > .bubbles:last-child > .turn")


async def say(page: Page, text: str) -> None:
    await composer(page).fill(text)
    await composer(page).press("Enter")


def sent(scripted: Scripted) -> list[dict[str, Any]]:
    return [request.body for request in scripted.asked("/api/chat")]


async def render(
    page: Page, scripted: Scripted, *texts: str, titles: list[str] | None = None
) -> str:
    html: str = await page.evaluate(RENDER, [scripted.url, list(texts), titles or []])
    return html


async def test_nothing_can_be_written_before_the_disclosure_is_there(
    page: Page, site: Site, scripted: Scripted
) -> None:
    gate = Gate()
    scripted.script("/api/widget/config", gate)
    await visit(page, site, scripted)
    await gate.reached.wait()
    await expect(composer(page)).to_be_disabled()
    await expect(page.get_by_role("button", name="Envoyer")).to_be_disabled()
    gate.open()
    await expect(page.get_by_text(DISCLOSURE).first).to_be_visible()
    await expect(composer(page)).to_be_enabled()
    await expect(page.get_by_text("comment puis-je vous aider").first).to_be_visible()


async def test_what_the_page_sends_waits_for_the_disclosure(
    page: Page, site: Site, scripted: Scripted
) -> None:
    gate = Gate()
    scripted.script("/api/widget/config", gate)
    await visit(page, site, scripted)
    await page.evaluate("Coccinelle.send('Bonjour')")
    await expect(bubbles(page).get_by_text("En attente")).to_be_visible()
    assert not sent(scripted)
    gate.open()
    await expect(bubbles(page).get_by_text("Voici la réponse")).to_be_visible()
    assert [body["message"] for body in sent(scripted)] == ["Bonjour"]


async def test_a_server_without_configuration_says_so_and_is_asked_again(
    page: Page, site: Site, scripted: Scripted
) -> None:
    scripted.refuse(503, "unavailable", path="/api/widget/config")
    await visit(page, site, scripted)
    await expect(page.get_by_role("heading", name="pas joignable")).to_be_visible()
    await expect(composer(page)).to_be_disabled()
    await page.get_by_role("button", name="Réessayer").click()
    await expect(composer(page)).to_be_enabled()
    await expect(page.get_by_role("heading", name="pas joignable")).to_have_count(0)


async def test_a_configuration_without_disclosure_opens_nothing(
    page: Page, site: Site, scripted: Scripted
) -> None:
    scripted.config["disclosure"] = ""
    await visit(page, site, scripted)
    await expect(page.get_by_role("heading", name="pas joignable")).to_be_visible()
    await expect(composer(page)).to_be_disabled()


async def test_each_piece_is_painted_as_it_comes_and_finished_blocks_stay(
    page: Page, site: Site, scripted: Scripted
) -> None:
    first, second = Gate(), Gate()
    text = "Un premier bloc.\n\nUn second bloc entier."
    done = answer(text)
    scripted.stream(
        Event("turn", {"turn_id": done["turn_id"]}),
        Event("agent", {"agent": "carole", "name": "Carole", "confidence": 0.9}),
        delta("Un premier bloc.\n\nUn second"),
        first,
        delta(" bloc"),
        second,
        delta(" entier."),
        Event("done", done),
    )
    await visit(page, site, scripted)
    await say(page, "Bonjour")
    paragraphs = bubbles(page).nth(1).locator(".words p")
    await expect(paragraphs).to_have_text(["Un premier bloc.", "Un second"])
    await expect(bubbles(page).nth(1).get_by_text("Carole", exact=True)).to_be_visible()
    kept = await paragraphs.first.element_handle()
    first.open()
    await expect(paragraphs.last).to_have_text("Un second bloc")
    second.open()
    await expect(paragraphs.last).to_have_text("Un second bloc entier.")
    await expect(page.get_by_role("button", name="Copier la réponse")).to_be_visible()
    assert kept is not None
    assert await kept.evaluate("node => node.isConnected")


async def test_what_another_model_takes_over_is_dropped(
    page: Page, site: Site, scripted: Scripted
) -> None:
    gate = Gate()
    scripted.stream(
        delta("Un faux départ"),
        gate,
        Event("reset"),
        delta("La bonne réponse"),
        Event("done", answer("La bonne réponse.")),
    )
    await visit(page, site, scripted)
    await say(page, "Bonjour")
    words = bubbles(page).nth(1).locator(".words")
    await expect(words).to_have_text("Un faux départ")
    gate.open()
    await expect(words).to_have_text("La bonne réponse.")


async def test_a_whole_answer_has_sources_with_their_addresses_in_full(
    page: Page, site: Site, scripted: Scripted
) -> None:
    scripted.say("Voyez la page d'aide [1], pas le numéro [7].", sources=SOURCES)
    await visit(page, site, scripted)
    await say(page, "Bonjour")
    sources = bubbles(page).nth(1).locator(".sources li")
    await expect(sources).to_have_count(2)
    link = sources.first.get_by_role("link")
    await expect(link).to_have_text(f"Bienvenue{PUBLISHED}")
    assert await link.get_attribute("href") == PUBLISHED
    assert await link.get_attribute("rel") == "noopener noreferrer nofollow"
    assert await link.get_attribute("target") == "_blank"
    await expect(sources.last.get_by_role("link")).to_have_count(0)
    await page.get_by_role("button", name="Source 1 : Bienvenue").click()
    await expect(sources.first).to_be_focused()
    await expect(bubbles(page).nth(1).locator(".words")).to_contain_text("[7]")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Un\nDeux\n\nTrois", "<p>Un<br>Deux</p><p>Trois</p>"),
        ("**gras** et *penché*", "<p><strong>gras</strong> et <em>penché</em></p>"),
        ("**gras et *penché***", "<p><strong>gras et <em>penché</em></strong></p>"),
        ("2 * 3 * 4 et a*", "<p>2 * 3 * 4 et a*</p>"),
        ("\\*rien\\*", "<p>*rien*</p>"),
        ("`a **b**`", "<p><code>a **b**</code></p>"),
        ("```js\n<b>\n\n```\nfin", '<pre tabindex="0"><code>&lt;b&gt;\n</code></pre><p>fin</p>'),
        ("## Titre", "<p><strong>Titre</strong></p>"),
        ("> Cité\n> deux", "<blockquote><p>Cité<br>deux</p></blockquote>"),
        ("- un\n- deux", "<ul><li>un</li><li>deux</li></ul>"),
        ("3. un\n\n4. deux", '<ol start="3"><li>un</li><li>deux</li></ol>'),
        (
            "1. un\n   - petit\n2. deux",
            '<ol start="1"><li>un<ul><li>petit</li></ul></li><li>deux</li></ol>',
        ),
        ("<b>rien</b> &amp;", "<p>&lt;b&gt;rien&lt;/b&gt; &amp;amp;</p>"),
        ("![x](https://agence.example/p.png)", "<p>![x](https://agence.example/p.png)</p>"),
    ],
)
async def test_markdown_becomes_these_nodes(
    page: Page, site: Site, scripted: Scripted, text: str, shown: str
) -> None:
    await page.goto(site.put("/", document("")))
    assert await render(page, scripted, text) == shown
    assert await render(page, scripted, *(text[:n] for n in range(len(text) + 1))) == shown


@pytest.mark.parametrize(
    ("text", "href"),
    [
        ("https://agence.example/tarifs.", "https://agence.example/tarifs"),
        ("[nos tarifs](https://www.agence.example/t)", "https://www.agence.example/t"),
        ("(voir https://agence.example)", "https://agence.example/"),
        ("[x](http://agence.example/t)", None),
        ("[x](https://agence.example.evil.example/)", None),
        ("[x](https://evilagence.example/)", None),
        ("[x](https://agence.example@evil.example/)", None),
        ("[x](https://moi:secret@agence.example/)", None),
        ("[x](https://agence.example:444/)", None),
        ("[x](javascript:alert(1))", None),
        ("[x](data:text/html,x)", None),
        ("https://evil.example/?d=secret", None),
    ],
)
async def test_links_lead_to_the_business_only_and_show_where(
    page: Page, site: Site, scripted: Scripted, text: str, href: str | None
) -> None:
    await page.goto(site.put("/", document("")))
    html = await render(page, scripted, text)
    if href is None:
        assert html == f"<p>{text}</p>"
    else:
        rel = 'rel="noopener noreferrer nofollow" target="_blank"'
        assert f'<a href="{href}" {rel}>{href}</a>' in html
        assert "nos tarifs (<a" in html or "nos tarifs" not in text


@pytest.mark.parametrize(
    "piece",
    ["[", "](", "[a](", "*", "**a ", "*a ", "`", "``` ", "\\", "> ", "- ", "  - a\n", "# #", "![",
     "https://", "https://a", "[1]", "<", "1. ", "\n\n", "(((", "* *\n", "_",
     "[a](https://agence.example/"],
)  # fmt: skip
async def test_no_text_takes_the_browser_for_ever(
    page: Page, site: Site, scripted: Scripted, piece: str
) -> None:
    await page.goto(site.put("/", document("")))
    text = piece * (100_000 // len(piece)) + "\n\nfin"
    assert "fin" in await render(page, scripted, text)


async def test_enter_sends_shift_enter_does_not_and_neither_does_an_ime(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted)
    box = composer(page)
    await box.press_sequentially("Un")
    await box.press("Shift+Enter")
    await box.press_sequentially("Deux")
    for composing in ({"isComposing": True}, {"keyCode": 229}):
        enter = {"key": "Enter", "bubbles": True, "cancelable": True, **composing}
        await box.evaluate("(e, key) => e.dispatchEvent(new KeyboardEvent('keydown', key))", enter)
    assert await box.input_value() == "Un\nDeux"
    await box.press("Enter")
    await expect(bubbles(page).first).to_contain_text("Un")
    await expect(box).to_have_value("")
    await expect(page.get_by_role("button", name="Copier la réponse")).to_be_visible()
    assert [body["message"] for body in sent(scripted)] == ["Un\nDeux"]


async def test_the_counter_counts_as_the_server_does(
    page: Page, site: Site, scripted: Scripted
) -> None:
    scripted.config["message_chars"] = 10
    await visit(page, site, scripted)
    count = page.locator(".count")
    await composer(page).fill("1234567")
    await expect(count).to_have_text("")
    await composer(page).fill(" 12345678\n ")
    await expect(count).to_have_text("Encore 2 caractères")
    await composer(page).fill("😀" * 9)
    await expect(count).to_have_text("Encore 1 caractère")
    await composer(page).fill("😀" * 13)
    await expect(count).to_contain_text("3 caractères de trop")
    await composer(page).press("Enter")
    await expect(composer(page)).to_have_value("😀" * 13)
    await expect(bubbles(page)).to_have_count(0)
    await composer(page).fill("😀" * 10 + "  ")
    await composer(page).press("Enter")
    await expect(bubbles(page)).to_have_count(2)


async def test_a_draft_is_still_there_after_closing(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted)
    await composer(page).fill("Une question pas encore")
    await page.get_by_role("button", name="Fermer la discussion").click()
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await opened(page)
    await expect(composer(page)).to_have_value("Une question pas encore")
    await expect(composer(page)).to_be_focused()


async def test_messages_leave_one_after_the_other(
    page: Page, site: Site, scripted: Scripted
) -> None:
    gate = Gate()
    scripted.say("Première réponse.", before=[gate])
    scripted.say("Seconde réponse.")
    await visit(page, site, scripted)
    await say(page, "Un")
    await gate.reached.wait()
    await say(page, "Deux")
    await expect(bubbles(page).get_by_text("En attente")).to_be_visible()
    assert [body["message"] for body in sent(scripted)] == ["Un"]
    gate.open()
    await expect(bubbles(page).get_by_text("Seconde réponse.")).to_be_visible()
    assert [body["message"] for body in sent(scripted)] == ["Un", "Deux"]
    await expect(bubbles(page).get_by_text("En attente")).to_be_hidden()


async def test_trying_again_is_the_same_message(page: Page, site: Site, scripted: Scripted) -> None:
    scripted.refuse(500, "internal")
    await visit(page, site, scripted)
    await say(page, "Bonjour")
    await expect(bubbles(page).get_by_text("de notre côté")).to_be_visible()
    await expect(bubbles(page).last).not_to_contain_text("false")
    await bubbles(page).get_by_role("button", name="Réessayer").click()
    await expect(bubbles(page).get_by_text("Voici la réponse")).to_be_visible()
    await expect(bubbles(page)).to_have_count(2)
    first, second = sent(scripted)
    assert first["message_id"] == second["message_id"]


async def test_a_sentence_that_is_for_visitors_is_the_servers(
    page: Page, site: Site, scripted: Scripted
) -> None:
    scripted.refuse(503, "answer_failed", "Je suis désolée, un instant.")
    scripted.refuse(403, "scope_missing", "Cette clé n'a pas le droit.")
    await visit(page, site, scripted)
    await say(page, "Bonjour")
    await expect(bubbles(page).get_by_text("Je suis désolée, un instant.")).to_be_visible()
    await say(page, "Encore")
    await expect(bubbles(page).last).to_contain_text("de notre côté")
    await expect(page.get_by_text("Cette clé")).to_have_count(0)


async def test_asking_again_after_a_cut_is_another_message(
    page: Page, site: Site, scripted: Scripted
) -> None:
    scripted.say("Le début seul", interrupted=True)
    await visit(page, site, scripted)
    await say(page, "Bonjour")
    await expect(bubbles(page).get_by_text("a été coupée")).to_be_visible()
    await page.get_by_role("button", name="Reposer la question").click()
    await expect(bubbles(page).get_by_text("Voici la réponse")).to_be_visible()
    first, second = sent(scripted)
    assert first["message"] == second["message"] == "Bonjour"
    assert first["message_id"] != second["message_id"]


async def test_too_many_messages_are_counted_down_then_sent_again(
    page: Page, site: Site, scripted: Scripted
) -> None:
    scripted.refuse(429, "rate_limited", retry_after=90)
    await page.clock.install()
    await visit(page, site, scripted)
    await say(page, "Bonjour")
    timer = page.get_by_role("timer")
    await expect(timer).to_contain_text("1 min 30 s")
    await page.clock.run_for(60_000)
    await expect(timer).to_contain_text("dans 30 s")
    await expect(page.get_by_role("button", name="Renvoyer")).to_be_hidden()
    await page.clock.run_for(31_000)
    await page.get_by_role("button", name="Renvoyer").click()
    await expect(bubbles(page).get_by_text("Voici la réponse")).to_be_visible()
    first, second = sent(scripted)
    assert first["message_id"] == second["message_id"]


async def test_the_history_comes_from_the_server_and_is_marked(
    page: Page, site: Site, scripted: Scripted
) -> None:
    scripted.say("Une réponse.", sources=SOURCES)
    await visit(page, site, scripted)
    await say(page, "Une question")
    await page.get_by_role("button", name="Cette réponse m'a été utile").click()
    await expect(page.get_by_role("button", name="m'a été utile")).to_have_attribute(
        "aria-pressed", "true"
    )
    conversation = sent(scripted)[0]["conversation_id"]
    scripted.history[conversation][-1]["feedback"] = -1
    scripted.remember(conversation, "person", "Je prends le relais.", name="Maud")
    scripted.remember(conversation, "person", "Nous aussi.")
    await page.reload()
    await expect(bubbles(page)).to_have_count(4)
    await expect(bubbles(page).nth(1).locator(".sources li")).to_have_count(2)
    await expect(page.get_by_role("button", name="ne m'a pas été utile")).to_have_attribute(
        "aria-pressed", "true"
    )
    await expect(bubbles(page).nth(2)).to_contain_text("Maudune personne de l'équipe")
    await expect(bubbles(page).nth(3)).to_contain_text("L'équipe")
    await expect(page.locator(".day")).to_have_text(["mardi 3 novembre 2026"])


async def test_an_opinion_that_is_not_kept_is_taken_back(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted)
    await say(page, "Bonjour")
    scripted.refuse(503, "unavailable", path="/feedback")
    down = page.get_by_role("button", name="ne m'a pas été utile")
    await down.click()
    await expect(page.locator(".told")).to_contain_text("de notre côté")
    await expect(down).to_have_attribute("aria-pressed", "false")
    await down.click()
    await expect(page.locator(".told")).to_contain_text("Merci")
    assert scripted.asked("/feedback")[-1].body["score"] == -1


async def test_an_answer_can_be_copied(
    page: Page, context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    scripted.say("À **copier**.")
    await visit(page, site, scripted)
    await say(page, "Bonjour")
    await page.get_by_role("button", name="Copier la réponse").click()
    await expect(page.locator(".told")).to_have_text("Réponse copiée")
    assert await page.evaluate("navigator.clipboard.readText()") == "À **copier**."


async def test_beginning_anew_is_confirmed_in_the_panel(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted)
    await say(page, "Bonjour")
    await expect(bubbles(page)).to_have_count(2)
    more = page.get_by_role("button", name="Plus d'options")
    await more.click()
    await page.get_by_role("button", name="Nouvelle conversation").click()
    await expect(page.get_by_role("alertdialog")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("alertdialog")).to_have_count(0)
    await expect(more).to_be_focused()
    await expect(bubbles(page)).to_have_count(2)
    await more.click()
    await page.get_by_role("button", name="Nouvelle conversation").click()
    await page.get_by_role("button", name="Recommencer").click()
    await expect(bubbles(page)).to_have_count(0)
    await expect(page.get_by_text(DISCLOSURE).first).to_be_visible()
    await say(page, "Autre chose")
    await expect(page.get_by_text("Voici la réponse").first).to_be_visible()
    assert len({body["conversation_id"] for body in sent(scripted)}) == 2


async def test_the_conversation_can_be_taken_away(
    page: Page, site: Site, scripted: Scripted, tmp_path: Path
) -> None:
    scripted.say("Une réponse, c'est tout.", sources=SOURCES)
    await visit(page, site, scripted)
    await say(page, "Une question, déjà ?")
    await expect(page.locator(".sources")).to_be_visible()
    await page.get_by_role("button", name="Plus d'options").click()
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="Télécharger la conversation").click()
    download = await downloading.value
    assert download.suggested_filename.startswith("conversation-l-agence-des-copines-20")
    assert download.suggested_filename.endswith(".txt")
    await download.save_as(tmp_path / "said.txt")
    text = (tmp_path / "said.txt").read_bytes().decode()
    assert "L'Agence des Copines" in text
    assert "Vous\xa0: Une question, déjà ?" in text
    assert "Audrey\xa0: Une réponse, c'est tout." in text
    assert f"[1] Bienvenue — {PUBLISHED}" in text


async def test_a_person_is_asked_for_once_they_can_answer(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted)
    await page.get_by_role("button", name="Parler à une personne").click()
    form = page.get_by_role("form", name="Parler à une personne")
    await expect(form).to_contain_text("sous 2 heures")
    mail = form.get_by_role("textbox", name="Adresse e-mail")
    await expect(mail).to_be_focused()
    await form.get_by_role("button", name="Transmettre").click()
    await expect(mail).to_have_attribute("aria-invalid", "true")
    await expect(mail).to_have_accessible_description(re.compile("Indiquez une adresse"))
    await mail.fill("lea@")
    await form.get_by_role("button", name="Transmettre").click()
    await expect(form).to_contain_text("semble incomplète")
    await mail.fill("lea@example.com")
    await form.get_by_role("textbox", name="Un mot").fill("Le matin.")
    await form.get_by_role("button", name="Transmettre").click()
    await expect(page.get_by_role("heading", name="Demande transmise")).to_be_focused()
    assert [body["message"] for body in sent(scripted)] == ["Je souhaite parler à une personne."]
    assert scripted.asked("/handoff")[0].body == {"email": "lea@example.com", "note": "Le matin."}
    await page.get_by_role("button", name="Revenir à la discussion").click()
    await expect(page.locator(".notice.good")).to_contain_text("Demande transmise · Une personne")
    await expect(page.get_by_role("button", name="Parler à une personne")).to_be_focused()


async def test_who_asked_for_a_person_and_reloads_hears_them(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted)
    await say(page, "Bonjour")
    await page.get_by_role("button", name="Parler à une personne").click()
    await page.get_by_role("textbox", name="Adresse e-mail").fill("lea@example.com")
    await page.get_by_role("button", name="Transmettre").click()
    await expect(page.get_by_role("heading", name="Demande transmise")).to_be_visible()
    conversation, turn = sent(scripted)[0]["conversation_id"], uid()
    scripted.remember(conversation, "customer", "Vous êtes là ?", turn_id=turn)
    await page.clock.install()
    await page.reload()
    await expect(page.locator(".notice.good")).to_contain_text("Demande transmise")
    await expect(bubbles(page).get_by_text("Je cherche la réponse")).to_be_visible()
    scripted.remember(conversation, "agent", "Oui.", turn_id=turn, name="Audrey")
    await page.clock.run_for(3_500)
    await expect(bubbles(page).get_by_text("Je cherche la réponse")).to_have_count(0)
    scripted.remember(conversation, "person", "Je prends le relais.", name="Maud")
    await page.clock.run_for(20_000)
    await expect(bubbles(page).get_by_text("Je prends le relais.")).to_be_visible()


async def test_a_hand_off_that_fails_says_so_and_keeps_what_was_written(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted, user={"id": "7", "email": "lea@example.com"})
    await say(page, "Bonjour")
    await expect(bubbles(page)).to_have_count(2)
    scripted.refuse(422, "bad_phone", path="/handoff")
    await page.get_by_role("button", name="Parler à une personne").click()
    await expect(page.get_by_label("Adresse e-mail")).to_have_value("lea@example.com")
    await page.get_by_label("Téléphone").fill("06 12 34 56 78")
    await page.get_by_role("button", name="Transmettre").click()
    await expect(page.get_by_text("Ce numéro semble incomplet")).to_be_visible()
    scripted.refuse(503, "unavailable", path="/handoff")
    await page.get_by_role("button", name="Transmettre").click()
    await expect(page.get_by_role("alert")).to_contain_text("de notre côté")
    await expect(page.get_by_label("Téléphone")).to_have_value("06 12 34 56 78")
    await page.get_by_role("button", name="Transmettre").click()
    await expect(page.get_by_role("heading", name="Demande transmise")).to_be_visible()
    assert len(sent(scripted)) == 1


async def test_an_answer_that_opens_a_hand_off_says_so(
    page: Page, site: Site, scripted: Scripted
) -> None:
    scripted.say("C'est noté.", handoff=True)
    await visit(page, site, scripted)
    await say(page, "Je voudrais parler à quelqu'un")
    await expect(page.locator(".notice.good")).to_contain_text("Demande transmise")


async def test_who_asked_for_a_person_in_words_may_still_say_how_to_be_reached(
    page: Page, site: Site, scripted: Scripted
) -> None:
    scripted.say("C'est noté.", handoff=True)
    await visit(page, site, scripted)
    await say(page, "Je voudrais parler à quelqu'un")
    await page.get_by_role("button", name="Laisser mes coordonnées").click()
    await page.get_by_role("textbox", name="Adresse e-mail").fill("lea@example.com")
    await page.get_by_role("button", name="Transmettre").click()
    await page.get_by_role("button", name="Revenir à la discussion").click()
    assert scripted.asked("/handoff")[0].body == {"email": "lea@example.com"}
    assert len(sent(scripted)) == 1
    await expect(page.locator(".notice.good")).to_contain_text("Demande transmise")
    await expect(page.get_by_role("button", name="Laisser mes coordonnées")).to_have_count(0)


async def test_a_long_answer_is_read_from_its_beginning(
    page: Page, site: Site, scripted: Scripted
) -> None:
    scripted.say("D'abord ceci. " + "Et encore un pas de plus à faire. " * 60)
    await visit(page, site, scripted)
    await say(page, "Comment faire ?")
    await expect(page.get_by_role("button", name="Copier la réponse")).to_have_count(1)
    await expect(bubbles(page).get_by_text("D'abord ceci.")).to_be_in_viewport(ratio=0.1)
    top = "(one) => one.getBoundingClientRect().top"
    log, answered = page.locator(".log"), bubbles(page).last
    assert await answered.evaluate(top) >= await log.evaluate(top)
    await expect(page.get_by_role("button", name="Nouveau message")).to_have_count(0)
    await say(page, "Et ensuite ?")
    await expect(bubbles(page).get_by_text("Et ensuite ?")).to_be_in_viewport()


async def test_a_page_that_begins_anew_takes_what_was_being_written_away(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted)
    await composer(page).fill("Un brouillon intime")
    await page.get_by_role("button", name="Parler à une personne").click()
    await page.get_by_role("textbox", name="Adresse e-mail").fill("lea@example.com")
    await page.evaluate("Coccinelle.reset()")
    await expect(page.get_by_role("form", name="Parler à une personne")).to_have_count(0)
    await expect(composer(page)).to_have_value("")


async def test_the_reader_who_looks_back_is_left_there(
    page: Page, site: Site, scripted: Scripted
) -> None:
    gate = Gate()
    scripted.say("Une ligne.\n\n" * 60)
    scripted.say("Fin.", before=[gate])
    await visit(page, site, scripted)
    log = page.get_by_role("region", name="Messages")
    at_end = "e => e.scrollHeight - e.scrollTop - e.clientHeight < 2"
    await say(page, "Un")
    await expect(page.get_by_role("button", name="Copier la réponse")).to_have_count(1)
    await say(page, "Deux")
    await gate.reached.wait()
    assert await log.evaluate(at_end)
    await log.evaluate("e => { e.scrollTop = 100; }")
    await page.wait_for_function("e => e.scrollTop === 100", arg=await log.element_handle())
    await page.evaluate("() => new Promise(requestAnimationFrame)")
    gate.open()
    pill = page.get_by_role("button", name="Nouveau message")
    await expect(pill).to_be_visible()
    assert await log.evaluate("e => e.scrollTop") == 100
    await pill.click()
    await expect(pill).to_be_hidden()
    assert await log.evaluate(at_end)


async def test_what_another_tab_says_appears(
    page: Page, context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted)
    await say(page, "Un")
    await expect(bubbles(page)).to_have_count(2)
    other = await visit(await context.new_page(), site, scripted)
    await expect(bubbles(other)).to_have_count(2)
    await say(other, "Deux")
    await expect(bubbles(other)).to_have_count(4)
    await expect(bubbles(page)).to_have_count(4)
    await expect(bubbles(page).nth(2)).to_contain_text("Deux")


async def test_the_answer_a_page_was_left_before_is_found_in_the_history(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted)
    await say(page, "Un")
    await expect(page.get_by_role("button", name="Copier la réponse")).to_be_visible()
    conversation, turn = sent(scripted)[0]["conversation_id"], uid()
    scripted.remember(conversation, "customer", "Deux", turn_id=turn)
    await page.clock.install()
    await page.reload()
    await expect(bubbles(page).get_by_text("Je cherche la réponse")).to_be_visible()
    scripted.remember(conversation, "agent", "La voici.", turn_id=turn, name="Audrey")
    await page.clock.run_for(3_500)
    await expect(bubbles(page).get_by_text("La voici.")).to_be_visible()
    await expect(bubbles(page)).to_have_count(4)


async def test_inline_it_fills_its_box_and_cannot_be_closed(
    page: Page, site: Site, scripted: Scripted
) -> None:
    tag = '<coccinelle-chat key="pk_x"></coccinelle-chat>'
    script = f'<script src="{scripted.url}/widget.js" async></script>'
    style = "<style>coccinelle-chat { display: block; width: 420px; height: 500px }</style>"
    await page.goto(site.put("/", document(tag, head=style + script)))
    panel = page.get_by_role("region", name="Discuter avec L'Agence des Copines")
    await expect(panel).to_be_visible()
    box = await panel.bounding_box()
    assert box is not None
    assert (round(box["width"]), round(box["height"])) == (420, 500)
    await expect(page.get_by_role("button", name="Fermer la discussion")).to_have_count(0)
    await say(page, "Bonjour")
    await expect(bubbles(page)).to_have_count(2)
    await composer(page).press("Escape")
    await expect(panel).to_be_visible()


async def test_what_is_typed_is_no_shortcut_of_the_page(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted)
    await page.evaluate(
        "window.heard = []; for (const name of ['keydown', 'keyup', 'keypress'])"
        " document.addEventListener(name, (event) => heard.push(event.key))"
    )
    await composer(page).press_sequentially("s/?")
    assert await page.evaluate("heard") == []


async def test_removed_it_leaves_nothing_behind(page: Page, site: Site, scripted: Scripted) -> None:
    gate = Gate()
    scripted.say("Une réponse.", before=[gate])
    await visit(page, site, scripted)
    await say(page, "Bonjour")
    await gate.reached.wait()
    assert scripted.open_streams == 1
    await page.evaluate("Coccinelle.remove()")
    await expect(page.locator("coccinelle-widget")).to_have_count(0)
    assert await page.evaluate("document.adoptedStyleSheets.length") == 0
    while scripted.open_streams:  # noqa: ASYNC110  (there is no event for it)
        await asyncio.sleep(0.02)
    asked = len(scripted.requests)
    await page.evaluate("window.dispatchEvent(new Event('offline'))")
    gate.open()
    assert len(scripted.requests) == asked


async def test_on_a_phone_it_covers_the_page_which_stays_still(
    phone: Page, site: Site, scripted: Scripted
) -> None:
    long = "<p>Une ligne.</p>" * 200
    await phone.goto(site.put("/", document(long, head=embed(scripted.url))))
    await opened(phone)
    dialog = phone.get_by_role("dialog")
    await dialog.evaluate("e => Promise.all(e.getAnimations().map((one) => one.finished))")
    box = await dialog.bounding_box()
    assert box is not None
    assert [round(box[side]) for side in ("x", "y", "width", "height")] == [0, 0, 390, 844]
    await expect(phone.get_by_role("button", name="Parler à une personne")).to_be_visible()
    overflow = "getComputedStyle(document.documentElement).overflowY"
    assert await phone.evaluate(overflow) == "hidden"
    await phone.get_by_role("button", name="Fermer la discussion").click()
    assert await phone.evaluate(overflow) == "visible"


async def test_offline_it_says_so_and_sends_when_the_network_is_back(
    page: Page, context: BrowserContext, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted)
    await expect(composer(page)).to_be_enabled()
    await context.set_offline(True)
    await expect(page.get_by_text("Vous êtes hors ligne").first).to_be_visible()
    await say(page, "Bonjour")
    await expect(bubbles(page).get_by_text("nous la rétablissons")).to_be_visible()
    await context.set_offline(False)
    await expect(bubbles(page).get_by_text("Voici la réponse")).to_be_visible()
    await expect(page.locator(".notice").first).to_be_hidden()


async def test_a_lost_history_does_not_keep_anyone_from_writing(
    page: Page, site: Site, scripted: Scripted
) -> None:
    await visit(page, site, scripted)
    await say(page, "Un")
    await expect(bubbles(page)).to_have_count(2)
    scripted.script("/messages", Refusal(503, "unavailable", "Plus tard."))
    await page.reload()
    await expect(page.get_by_text("n'ont pas pu être affichés")).to_be_visible()
    await say(page, "Deux")
    await expect(bubbles(page)).to_have_count(2)
