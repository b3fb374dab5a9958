"""A Coccinelle server that serves the real widget and answers, or fails, as it is told.

    scripted.say("Bonjour **à vous**.", sources=[{"title": "Tarifs", "url": None, "score": 0.8}])
    gate = Gate()
    scripted.stream(Event("turn", {"turn_id": uid()}), delta("Bon"), gate, delta("jour"), Cut())
    scripted.refuse(429, "rate_limited", "Patientez.", retry_after=7)
    ... the page asks ... ; gate.open()
    assert scripted.asked("/api/chat")[-1].body["message"] == "Bonjour"

Each new message (by `message_id`) takes the next step of the chat; a message that comes again goes
on with its own stream after `Last-Event-ID`, and what cut it before does not cut it twice.
Refusals are taken by whatever request comes next. Without a step the answer is a fixed sentence.
Answers are remembered: `GET …/messages` shows them, to who has a token of the conversation.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from fastapi import FastAPI
from starlette.requests import Request as Asked
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from coccinelle.channels.widget import assets
from coccinelle.foundation import problems, web
from coccinelle.foundation.problems import Refusals
from coccinelle.foundation.web import BodyLimit, BodyLimits
from coccinelle.tenants.callers import ALLOWED_HEADERS, EXPOSED
from tests.browser.loopback import hang_up, serving

DEFAULT_TEXT = "Voici la réponse, avec plaisir."
WHEN = "2026-11-03T12:00:02.114Z"
CONFIG: dict[str, Any] = {
    "company": "L'Agence des Copines",
    "language": "fr",
    "disclosure": "Vous parlez à une intelligence artificielle de L'Agence des Copines.",
    "greeting": "Bonjour, comment puis-je vous aider ?",
    "agent": {"key": "audrey", "name": "Audrey"},
    "color": None,
    "position": None,
    "reply_promise": "Une personne vous répond en général sous 2 heures.",
    "message_chars": 2000,
    "link_hosts": ["agence-des-copines.example"],
}


@dataclass(frozen=True)
class Event:
    """One server-sent event; its id is its place in the stream, from 1."""

    name: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Pause:
    """Nothing for a while."""

    seconds: float


@dataclass(frozen=True)
class Beat:
    """A heartbeat: a comment, which is no event."""


@dataclass(frozen=True)
class Raw:
    """These bytes as they are."""

    data: bytes


@dataclass(eq=False)
class Cut:
    """The connection is reset, once."""

    is_done: bool = False


class Gate(asyncio.Event):
    """Nothing until the test opens it; `reached` is set when the server waits there."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()

    def open(self) -> None:
        """Go on."""
        self.set()


Part = Event | Pause | Beat | Raw | Cut | Gate


@dataclass(frozen=True)
class Refusal:
    """A problem in the place of an answer."""

    status: int
    code: str
    detail: str
    retry_after: int | None = None


@dataclass(frozen=True)
class Reply:
    """A whole answer of any route."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Drop:
    """The connection is reset before any answer."""


Step = Refusal | Reply | Drop | Gate | Pause


@dataclass(frozen=True)
class Request:
    """What arrived: method, path, query, headers in lower case, and the decoded body."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any = None


@dataclass
class _Turn:
    """The stream of one message, as it was asked for first."""

    id: str
    parts: Sequence[Part]
    conversation: str
    is_answered: bool = False


def uid() -> str:
    """An id like the server's."""
    return str(uuid4())


def delta(text: str) -> Event:
    """Some more of the text."""
    return Event("delta", {"text": text})


def answer(text: str, **changed: Any) -> dict[str, Any]:
    """A ChatOut; `changed` are fields that differ from the usual."""
    return {
        "conversation_id": "c",
        "message": text,
        "agent": "audrey",
        "confidence": 0.93,
        "reasoning": "Question sur les e-mails.",
        "timestamp": WHEN,
        "turn_id": uid(),
        "sources": [],
        "handoff": False,
        "variant": "candidate",
        **changed,
    }


class Scripted:
    """See the module. `url` is its address, `requests` all that arrived, preflights left out.

    `config` is what `/api/widget/config` answers with, and may be changed; `history` is what was
    said in each conversation, as `HistoryItemOut`; `handed` are those where a person was asked for,
    `claimed` those that a person takes care of, with their first name; `is_readable` False
    withholds CORS headers.
    """

    def __init__(self) -> None:
        self.url = ""
        self._assets = _assets()
        self.reset()

    def reset(self) -> None:
        """Forget scripts, conversations and requests."""
        self.config: dict[str, Any] = json.loads(json.dumps(CONFIG))
        self.requests: list[Request] = []
        self.history: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.handed: set[str] = set()
        self.claimed: dict[str, str] = {}
        self.is_readable = True
        self.open_streams = 0
        self._chats: deque[Sequence[Part]] = deque()
        self._steps: dict[str, deque[Step]] = defaultdict(deque)
        self._turns: dict[str, _Turn] = {}
        self._tokens = 0

    def asked(self, path: str) -> list[Request]:
        """The requests whose path ends so."""
        return [request for request in self.requests if request.path.endswith(path)]

    def say(
        self,
        text: str = DEFAULT_TEXT,
        *,
        name: str = "Audrey",
        before: Sequence[Part] = (),
        between: Sequence[Part] = (),
        **changed: Any,
    ) -> dict[str, Any]:
        """Answer the next message with `text`, word by word, and give its `done` data back.

        `before` comes before the first word, `between` after each; `changed` are fields of the
        answer: `sources`, `handoff`, `interrupted`, `agent`…
        """
        done = answer(text, **changed)
        chosen = {"agent": done["agent"], "name": name, "confidence": done["confidence"]}
        parts: list[Part] = [Event("turn", {"turn_id": done["turn_id"]}), Event("agent", chosen)]
        parts += before
        for word in re.findall(r"\s*\S+|\s+$", text):
            parts += [delta(word), *between]
        if done["handoff"]:
            parts.append(Event("handoff", {"reason": "asked_for_a_person"}))
        self.stream(*parts, Event("done", done))
        return done

    def stream(self, *parts: Part) -> None:
        """Answer the next message with exactly this."""
        self._chats.append(parts)

    def refuse(
        self,
        status: int,
        code: str,
        detail: str = "Cela n'a pas marché.",
        *,
        retry_after: int | None = None,
        path: str = "/api/chat",
    ) -> None:
        """Refuse the next request whose path ends with `path`."""
        self.script(path, Refusal(status, code, detail, retry_after))

    def script(self, path: str, *steps: Step) -> None:
        """Before anything else, take these steps when a path ends so: `/api/widget/config`,
        `/api/chat`, `/messages`, `/handoff`, `/feedback`, `/identity`, `/widget.js`, `.js`.

        A gate or a pause delays the request that takes it, which then takes the next step, too.
        """
        self._steps[path].extend(steps)

    def remember(self, conversation: str, author: str, text: str, **changed: Any) -> dict[str, Any]:
        """Add to a conversation's history, as another tab or a person would."""
        item = {
            "id": uid(),
            "seq": len(self.history[conversation]) + 1,
            "author": author,
            "text": text,
            "timestamp": WHEN,
            "turn_id": None,
            "agent": None,
            "name": None,
            "outcome": None,
            "feedback": None,
            "sources": [],
            **changed,
        }
        self.history[conversation].append(item)
        return item

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        asked = Asked(scope, receive)
        if asked.method == "OPTIONS":
            await self._preflight(asked)(scope, receive, send)
            return
        request = await _noted(asked)
        self.requests.append(request)
        step = await self._step(request.path)
        if isinstance(step, Drop):
            hang_up(send)
        elif step is not None:
            await self._readable(request, _response(step))(scope, receive, send)
        elif not request.path.startswith("/api"):
            await self._assets(scope, receive, send)
        elif request.path.endswith("/chat"):
            await self._chat(request, scope, receive, send)
        else:
            await self._readable(request, self._json(request))(scope, receive, send)

    def _preflight(self, asked: Asked) -> Response:
        headers = {
            "access-control-allow-methods": "GET, POST, OPTIONS",
            "access-control-allow-headers": ALLOWED_HEADERS,
        }
        response = Response(status_code=204, headers=headers)
        return self._allow(asked.headers.get("origin"), response)

    async def _step(self, path: str) -> Refusal | Reply | Drop | None:
        queue = next((q for end, q in self._steps.items() if q and path.endswith(end)), deque())
        while queue:
            match queue.popleft():
                case Gate() as gate:
                    gate.reached.set()
                    await gate.wait()
                case Pause(seconds):
                    await asyncio.sleep(seconds)
                case step:
                    return step
        return None

    def _readable(self, request: Request, response: Response) -> Response:
        return self._allow(request.headers.get("origin"), response)

    def _allow(self, origin: str | None, response: Response) -> Response:
        if origin is not None and self.is_readable:
            response.headers["access-control-allow-origin"] = origin
            response.headers["access-control-expose-headers"] = EXPOSED
            response.headers["vary"] = "Origin"
        return response

    def _json(self, request: Request) -> Response:
        if request.path.endswith("/widget/config"):
            language = request.query.get("lang", self.config["language"])
            return JSONResponse(self.config | {"language": language})
        if request.path.endswith("/feedback"):
            turn = request.path.split("/")[-2]
            return JSONResponse({"comment": None, **request.body, "turn_id": turn})
        conversation = request.path.split("/")[-2]
        if not self._is_known(request, conversation):
            return _refused(Refusal(401, "visitor_token_required", "Ce jeton manque."))
        token = {"x-visitor-token": self._token(conversation)}
        if request.path.endswith("/messages"):
            return JSONResponse(self._page(request, conversation), headers=token)
        if request.path.endswith("/handoff"):
            self.handed.add(conversation)
            opened = {"id": uid(), "conversation_id": conversation, "status": "open"}
            return JSONResponse(opened, 201, headers=token)
        if request.path.endswith("/identity"):
            person = {"id": request.body["id"], "email": request.body.get("email")}
            return JSONResponse(person, headers=token)
        return _refused(Refusal(404, "not_found", "Rien ici."))

    def _page(self, request: Request, conversation: str) -> dict[str, Any]:
        start, size = int(request.query.get("cursor", 0)), int(request.query.get("limit", 50))
        after = int(request.query.get("after", 0))
        items = [item for item in self.history[conversation] if item["seq"] > after]
        more = str(start + size) if len(items) > start + size else None
        page = items[start : start + size]
        person = self.claimed.get(conversation)
        state = "claimed" if person else "open" if conversation in self.handed else None
        return {
            "items": page,
            "next_cursor": more,
            "handoff": state is not None,
            "handoff_state": state,
            "person": person,
        }

    def _is_known(self, request: Request, conversation: str) -> bool:
        token = request.headers.get("x-visitor-token", "")
        return token.startswith(f"token.{conversation}.")

    def _token(self, conversation: str) -> str:
        self._tokens += 1
        return f"token.{conversation}.{self._tokens}"

    async def _chat(self, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        turn = self._turns.get(request.body.get("message_id"))
        conversation = request.body["conversation_id"]
        if (
            turn is None
            and self.history[conversation]
            and not self._is_known(request, conversation)
        ):
            missing = Refusal(401, "visitor_token_required", "Ce jeton manque.")
            await self._readable(request, _refused(missing))(scope, receive, send)
            return
        turn = turn or self._begin(request, conversation)
        headers = {
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-cache, no-store",
            "x-visitor-token": self._token(conversation),
        }
        response = self._readable(request, Response(headers=headers))
        del response.headers["content-length"]
        start = {"type": "http.response.start", "status": 200, "headers": response.raw_headers}
        await send(start)
        after = int(request.headers.get("last-event-id", 0))
        writing = asyncio.create_task(self._write(turn, after, send))
        gone = asyncio.create_task(_gone(receive))
        self.open_streams += 1
        try:
            await asyncio.wait({writing, gone}, return_when=asyncio.FIRST_COMPLETED)
            if writing.done():
                writing.result()
        finally:
            self.open_streams -= 1
            for task in (writing, gone):
                task.cancel()

    def _begin(self, request: Request, conversation: str) -> _Turn:
        if not self._chats:
            self.say()
        parts = [_in_conversation(part, conversation) for part in self._chats.popleft()]
        told = [part.data for part in parts if isinstance(part, Event)]
        turn_id = next((data["turn_id"] for data in told if "turn_id" in data), None)
        turn = _Turn(turn_id or uid(), parts, conversation)
        if request.body.get("message_id"):
            self._turns[request.body["message_id"]] = turn
        self.remember(conversation, "customer", request.body["message"], turn_id=turn.id)
        return turn

    async def _write(self, turn: _Turn, after: int, send: Send) -> None:
        number, name = 0, None
        for part in turn.parts:
            if isinstance(part, Event):
                number += 1
                name = part.data.get("name", name) if part.name == "agent" else name
                if part.name == "done":
                    self._answered(turn, part.data, name)
            if number < after or (isinstance(part, Event) and number <= after):
                continue
            if not await self._write_part(part, number, send):
                return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write_part(self, part: Part, number: int, send: Send) -> bool:
        match part:
            case Event(name, data):
                text = f"id: {number}\nevent: {name}\ndata: {json.dumps(data)}\n\n"
                await _more(send, text.encode())
            case Beat():
                await _more(send, b": still here\n\n")
            case Raw(data):
                await _more(send, data)
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Gate():
                part.reached.set()
                await part.wait()
            case Cut() if not part.is_done:
                part.is_done = True
                # What was written must have left before the reset, which throws away the rest.
                await asyncio.sleep(0.05)
                hang_up(send)
                return False
        return True

    def _answered(self, turn: _Turn, done: Mapping[str, Any], name: str | None) -> None:
        if turn.is_answered:
            return
        turn.is_answered = True
        if done["handoff"]:
            self.handed.add(turn.conversation)
        if done.get("outcome") == "handed_over":
            self.history[turn.conversation][-1]["outcome"] = "handed_over"
            return
        self.remember(
            turn.conversation,
            "agent",
            done["message"],
            turn_id=done["turn_id"],
            agent=done["agent"],
            name=name,
            outcome="answered",
            sources=done["sources"],
        )


def _in_conversation(part: Part, conversation: str) -> Part:
    if isinstance(part, Event) and part.name == "done":
        return Event("done", {**part.data, "conversation_id": conversation})
    return part


@asynccontextmanager
async def open_scripted() -> AsyncIterator[Scripted]:
    """A scripted server that is up until the block ends."""
    scripted = Scripted()
    async with serving(scripted) as scripted.url:
        yield scripted


def _assets() -> FastAPI:
    """The widget's files as the product serves them."""
    app = FastAPI(openapi_url=None)
    refusals = Refusals({})
    problems.install(app, refusals)
    web.install(app, refusals=refusals, limits=BodyLimits((), BodyLimit(65536)))
    app.include_router(assets.routes(assets.read_assets()))
    return app


async def _noted(asked: Asked) -> Request:
    raw = await asked.body()
    try:
        body = json.loads(raw) if raw else None
    except ValueError:
        body = raw
    return Request(
        asked.method, asked.url.path, dict(asked.query_params), dict(asked.headers), body
    )


def _response(step: Refusal | Reply) -> Response:
    if isinstance(step, Refusal):
        return _refused(step)
    if isinstance(step.body, (bytes, str)):
        return Response(step.body, step.status, headers=dict(step.headers))
    return JSONResponse(step.body, step.status, headers=dict(step.headers))


def _refused(refusal: Refusal) -> Response:
    body = {
        "type": f"urn:coccinelle:problem:{refusal.code}",
        "title": refusal.code,
        "status": refusal.status,
        "detail": refusal.detail,
        "code": refusal.code,
        "request_id": uid(),
    }
    after = {} if refusal.retry_after is None else {"retry-after": str(refusal.retry_after)}
    return JSONResponse(body, refusal.status, after, media_type="application/problem+json")


async def _more(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
