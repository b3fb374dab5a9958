"""A server on loopback that lists voices as ElevenLabs documents it, and plays their previews."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.listening import listening

SOUND = b"ID3\x04\x00\x00"


@dataclass
class Studio:
    """`fault`: `500`, `401`, `malformed` or `cut`; `page`: previews are web pages."""

    place: str
    fault: str = ""
    page: bool = False
    asked: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.place}"

    def voices(self) -> list[dict[str, Any]]:
        """The fields that are documented and read, and some that are not."""
        return [
            {
                "voice_id": "9BWtsMINqrJLrRacOk9x",
                "name": "Aria",
                "category": "premade",
                "labels": {
                    "accent": "american",
                    "descriptive": "husky",
                    "age": "middle_aged",
                    "gender": "female",
                    "language": "en",
                    "use_case": "informative_educational",
                },
                "description": None,
                "preview_url": f"{self.url}/en.mp3",
                "available_for_tiers": [],
                "settings": None,
                "verified_languages": [
                    {
                        "language": "fr",
                        "model_id": "eleven_multilingual_v2",
                        "accent": "standard",
                        "locale": "fr-FR",
                        "preview_url": f"{self.url}/fr.mp3",
                    }
                ],
            },
            {"voice_id": "x1", "name": None, "labels": None, "preview_url": None},
        ]

    def answer(self, path: str) -> bytes:
        if path != "/v1/voices":
            kind = b"text/html" if self.page else b"audio/mpeg"
            return _answered(b"200 OK", kind, SOUND + path[1:3].encode())
        if self.fault in ("500", "401"):
            return _answered(self.fault.encode() + b" No", b"application/json", b"{}")
        body = b"{" if self.fault == "malformed" else json.dumps({"voices": self.voices()}).encode()
        whole = _answered(b"200 OK", b"application/json", body)
        return whole[:-20] if self.fault == "cut" else whole


@asynccontextmanager
async def speaking() -> AsyncIterator[Studio]:
    """Answers until the block ends."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = head.split(" ", 2)[1]
            studio.asked.append(path)
            found = (line for line in head.splitlines() if line.lower().startswith("xi-api-key:"))
            studio.keys += [line.partition(":")[2].strip() for line in found]
            writer.write(studio.answer(path))
            await writer.drain()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    listener = listening()
    studio = Studio(f"127.0.0.1:{listener.getsockname()[1]}")
    async with await asyncio.start_server(serve, sock=listener):
        yield studio


def _answered(status: bytes, kind: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 %b\r\ncontent-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
    return head % (status, kind, len(body)) + body
