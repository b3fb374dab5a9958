"""Every knob of an installation, each with its unit and bounds; an unknown one stops the start."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

PREFIX = "COCCINELLE_"
OPENROUTER_URL = "https://openrouter.ai/api/v1"
DEFAULT_ANSWER_MODELS = ("mistralai/mistral-medium-3.1", "openai/gpt-4.1-mini")
DEFAULT_ROUTING_MODELS = ("mistralai/mistral-small-3.2-24b-instruct", "openai/gpt-4.1-nano")
_NAMES = {"database_url": "DATABASE_URL", "openrouter_api_key": "OPENROUTER_API_KEY"}


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _decode(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise PydanticCustomError(
            "not_json", 'This is not JSON, such as {"model": [150000, 600000]}'
        ) from error


CommaSeparated = Annotated[tuple[str, ...], BeforeValidator(_split)]
Microeur = Annotated[int, Field(ge=0)]
Prices = Annotated[dict[str, tuple[Microeur, Microeur]], BeforeValidator(_decode)]


class SettingsError(RuntimeError):
    """The environment asks for something that this version does not know or cannot accept."""


class Settings(BaseModel):
    """Read from the environment: `COCCINELLE_` and the name in capitals."""

    model_config = ConfigDict(frozen=True)

    data: Path = Field(
        Path(".coccinelle"), description="Folder of the embedded database and of secrets."
    )
    database_url: SecretStr | None = Field(
        None,
        description="PostgreSQL to use instead of the embedded one (16 or later, with pgvector).",
    )
    database_pooler: bool = Field(
        False, description="True when DATABASE_URL is a transaction pooler."
    )
    database_connections: int = Field(
        10, ge=2, le=200, description="Connections of one server process, at most."
    )
    secret_key: SecretStr | None = Field(
        None,
        description=(
            "Key that signs visitor tokens, and log-ins under way by an issuer; made once and kept "
            "in the data folder when unset."
        ),
    )

    log_format: str = Field(
        "text", pattern="^(text|json)$", description="Log lines as text or as JSON."
    )
    log_level: str = Field(
        "info", pattern="^(debug|info|warning|error)$", description="Lowest level logged."
    )
    log_pii: bool = Field(False, description="Log what people said. Never in production.")
    otlp_endpoint: str | None = Field(
        None, description="Where OpenTelemetry traces go (OTLP over HTTP); none: no traces."
    )
    docs_page: bool = Field(False, description="Serve the interactive API page at /docs.")
    metrics_public: bool = Field(
        False, description="Let any address read /metrics; otherwise loopback only."
    )
    operator_token: SecretStr | None = Field(
        None,
        min_length=24,
        description=(
            "Opens /operator/onboarding, as bearer or password; none: there is no such page."
        ),
    )
    trusted_proxies: CommaSeparated = Field(
        (), description="Addresses or networks, comma separated, whose X-Forwarded-For is believed."
    )

    llm_base_url: str = Field(
        OPENROUTER_URL,
        description="Any OpenAI-compatible endpoint; Ollama: http://127.0.0.1:11434/v1.",
    )
    llm_api_key: SecretStr | None = Field(
        None,
        description=(
            "Key of the endpoint (OPENROUTER_API_KEY is read too). A local endpoint needs none."
        ),
    )
    openrouter_api_key: SecretStr | None = Field(
        None, description="Used when COCCINELLE_LLM_API_KEY is unset."
    )
    llm_answer_models: CommaSeparated = Field(
        (),
        description=(
            "Models that answer, comma separated, the first one preferred. None: "
            "quotes of the documents."
        ),
    )
    llm_routing_models: CommaSeparated = Field(
        (),
        description="Models that route when the embedding is unsure. None: the embedding decides.",
    )
    llm_first_token_seconds: float = Field(
        8, gt=0, le=120, description="Longest wait for the first token."
    )
    llm_gap_seconds: float = Field(
        10, gt=0, le=120, description="Longest silence between two tokens."
    )
    llm_total_seconds: float = Field(45, gt=0, le=600, description="Longest model call.")
    llm_routing_seconds: float = Field(
        3, gt=0, le=60, description="Longest routing call; then the embedding decides."
    )
    llm_max_tokens: int = Field(700, ge=16, le=8192, description="Tokens of an answer, at most.")
    llm_prices: Prices = Field(
        {},
        description='Micro-euros per million tokens in, out, as JSON: {"model": [150000, 600000]}.',
    )
    usd_to_eur: float = Field(
        0.92, gt=0, le=10, description="Euros for one dollar, for prices that are in dollars."
    )

    embeddings_base_url: str | None = Field(
        None,
        description="OpenAI-compatible embeddings endpoint; none: the bundled multilingual model.",
    )
    embeddings_api_key: SecretStr | None = Field(
        None, description="Key of the embeddings endpoint."
    )
    embeddings_model: str = Field(
        "text-embedding-3-small", description="Model of the endpoint, asked for 384 dimensions."
    )
    rerank_base_url: str | None = Field(
        None, description="Cohere-compatible rerank endpoint; none: the fused order."
    )
    rerank_api_key: SecretStr | None = Field(None, description="Key of the rerank endpoint.")
    rerank_model: str = Field("rerank-v3.5", description="Model of the rerank endpoint.")

    elevenlabs_api_key: SecretStr | None = Field(
        None, description="Key of ElevenLabs, whose voices are shown; none: two usual voices."
    )
    elevenlabs_base_url: str = Field(
        "https://api.elevenlabs.io",
        pattern=r"^https?://[^\s?#@]+$",
        max_length=300,
        description="Where ElevenLabs, or what speaks as it does, is asked.",
    )

    smtp_url: SecretStr | None = Field(
        None,
        description=(
            "smtp://user:password@host:587 or smtps://…; none: mails are only noted in the log."
        ),
    )
    mail_from: str = Field("coccinelle@localhost", description="Sender of the mails.")

    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^/\s?#@]+/?$",
        max_length=200,
        description=(
            "Address at which people reach this installation, such as https://chat.example.com: "
            "links in mails begin with it. Without it none is mailed."
        ),
    )
    session_idle_days: int = Field(
        14, ge=1, le=365, description="How long a session lives without being used."
    )
    session_days: int = Field(90, ge=1, le=365, description="How long a session lives at most.")
    password_reset_minutes: int = Field(
        60, ge=5, le=1440, description="How long a link for a new password is good."
    )
    invitation_days: int = Field(7, ge=1, le=90, description="How long an invitation is good.")
    logins_per_minute: int = Field(
        5, ge=1, le=100_000, description="Log-ins a minute from a network address."
    )
    logins_per_email: int = Field(
        10,
        ge=1,
        le=100_000,
        description="Passwords tried in fifteen minutes for an e-mail address.",
    )
    signups_per_hour: int = Field(
        10, ge=1, le=100_000, description="Sign-ups an hour from a network address."
    )
    resets_per_hour: int = Field(
        10,
        ge=1,
        le=100_000,
        description="Links asked for in an hour from a network address, and for an e-mail address.",
    )
    password_queue: int = Field(
        64, ge=0, le=10_000, description="Passwords that may wait to be checked; others get 503."
    )

    oidc_issuer: str | None = Field(
        None,
        pattern=r"^https?://[^\s?#@]+$",
        max_length=300,
        description=(
            "OpenID Connect issuer by which people may log in, such as https://accounts.google.com;"
            " none: by password only. Needs COCCINELLE_OIDC_CLIENT_ID, and COCCINELLE_PUBLIC_URL "
            "but on localhost."
        ),
    )
    oidc_client_id: str | None = Field(
        None, max_length=300, description="Id of this installation at the issuer."
    )
    oidc_client_secret: SecretStr | None = Field(
        None, description="Its secret; none for a public client, which PKCE protects alone."
    )
    oidc_name: str = Field(
        "SSO",
        min_length=1,
        max_length=40,
        description="What people call the issuer: the text of its button.",
    )
    oidc_verified_claim: str = Field(
        "email_verified",
        min_length=1,
        max_length=100,
        description=(
            "Claim that says whether an e-mail address is the person's; Entra ID: xms_edov."
        ),
    )
    oidc_signup: bool = Field(
        True,
        description="Let people whom the issuer knows, and we do not, open an account.",
    )

    chat_body_bytes: int = Field(
        64 * 1024, ge=4096, le=1024 * 1024, description="Largest body on chat routes, bytes."
    )
    json_body_bytes: int = Field(
        1024 * 1024, ge=4096, le=16 * 1024 * 1024, description="Largest JSON body, bytes."
    )
    upload_body_bytes: int = Field(
        25 * 1024 * 1024, ge=4096, le=512 * 1024 * 1024, description="Largest upload, bytes."
    )
    message_chars: int = Field(
        2000, ge=100, le=20_000, description="Longest message, characters after trimming."
    )
    rate_window_seconds: int = Field(
        60, ge=1, le=3600, description="Width of the sliding window of the rate limits."
    )
    rate_messages: int = Field(
        10, ge=1, le=100_000, description="Messages per window for a user and for a conversation."
    )
    rate_address_messages: int = Field(
        60, ge=1, le=1_000_000, description="Messages per window for a network address."
    )
    queue_messages: int = Field(
        3, ge=0, le=100, description="Messages of one conversation that may wait for their turn."
    )
    twin_wait_seconds: float = Field(
        45, gt=0, le=300, description="How long a repeated message waits for the answer."
    )
    disconnect_grace_seconds: float = Field(
        10, ge=0, le=300, description="How long an answer goes on after a hang-up."
    )
    lease_seconds: int = Field(
        15, ge=5, le=120, description="How long a turn outlives its process before it is ended."
    )
    idempotency_hours: int = Field(
        24, ge=1, le=720, description="How long a message id stays known."
    )
    history_messages: int = Field(
        20, ge=0, le=200, description="Earlier messages shown to a model, at most."
    )
    history_tokens: int = Field(
        2000, ge=0, le=100_000, description="Tokens of earlier messages, at most (estimated)."
    )
    visitor_token_days: int = Field(
        30, ge=1, le=365, description="Life of a visitor token, renewed by use."
    )

    route_sure_score: float = Field(
        0.30, ge=0, le=1, description="Embedding score from which a route needs no model."
    )
    route_sure_lead: float = Field(
        0.05, ge=0, le=1, description="Lead over the next agent that such a route needs."
    )
    route_floor_score: float = Field(
        0.15, ge=0, le=1, description="Embedding score below which no agent is meant."
    )
    route_keyword_bonus: float = Field(
        0.08, ge=0, le=1, description="Added to an agent whose keyword is in the message."
    )
    route_min_confidence: float = Field(
        0.7, ge=0, le=1, description="Routing model's confidence below which we escalate."
    )
    loop_similarity: float = Field(
        0.70, ge=0, le=1, description="Likeness from which messages say the same thing."
    )
    passages: int = Field(6, ge=1, le=20, description="Passages that an answer is made from.")
    exact_search_chunks: int = Field(
        10_000, ge=0, le=1_000_000, description="Chunks of a tenant up to which search is exact."
    )

    upstream_allow: CommaSeparated = Field(
        (),
        description=(
            "host:port pairs, comma separated, that pages may be read from although "
            "they are private."
        ),
    )
    fetch_bytes: int = Field(
        10 * 1024 * 1024,
        ge=1024,
        le=256 * 1024 * 1024,
        description="Largest page or file read from the web.",
    )
    fetch_seconds: float = Field(20, gt=0, le=300, description="Longest read of one page.")
    crawl_pages: int = Field(200, ge=1, le=10_000, description="Pages of one site, at most.")
    crawl_depth: int = Field(
        5, ge=0, le=50, description="Links followed from the start page, at most."
    )
    crawl_bytes: int = Field(100 * 1024 * 1024, ge=1024, description="Bytes of one site, at most.")
    crawl_seconds: float = Field(900, gt=0, le=86_400, description="Time of one crawl, at most.")
    parse_seconds: float = Field(30, gt=0, le=600, description="Time to read one file, at most.")
    parse_memory_bytes: int = Field(
        512 * 1024 * 1024, ge=64 * 1024 * 1024, description="Memory of a file's reader, at most."
    )
    jobs_concurrency: int = Field(
        2,
        ge=0,
        le=32,
        description="Jobs run at once by a server process; 0: a worker elsewhere runs them.",
    )

    @property
    def answer_models(self) -> tuple[str, ...]:
        """Models that answer: the chosen ones, or ours where OpenRouter's key is all there is."""
        return self.llm_answer_models or (DEFAULT_ANSWER_MODELS if self._has_openrouter else ())

    @property
    def routing_models(self) -> tuple[str, ...]:
        """Models that route, likewise."""
        return self.llm_routing_models or (DEFAULT_ROUTING_MODELS if self._has_openrouter else ())

    @property
    def is_openrouter(self) -> bool:
        """Whether the language models are OpenRouter's."""
        return self.llm_base_url.rstrip("/") == OPENROUTER_URL

    @property
    def has_language_models(self) -> bool:
        """Whether an endpoint can be asked: OpenRouter wants a key, others may want none."""
        return self.answer_key is not None or not self.is_openrouter

    @property
    def _has_openrouter(self) -> bool:
        return self.answer_key is not None and self.is_openrouter

    @property
    def answer_key(self) -> str | None:
        """The key of the language-model endpoint, wherever it was given."""
        secret = self.llm_api_key or self.openrouter_api_key
        return secret.get_secret_value() if secret else None


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings in `environment` (the process's own by default).

    Raises:
        SettingsError: says which setting is unknown, out of bounds or in want of another, and never
            its value.
    """
    environment = os.environ if environment is None else environment
    fields = {environment_name(field): field for field in Settings.model_fields}
    unknown = sorted(n for n in environment if n.startswith(PREFIX) and n not in fields)
    if unknown:
        raise SettingsError(f"unknown setting: {', '.join(unknown)} (see: coccinelle settings)")
    given = {field: environment[name] for name, field in fields.items() if environment.get(name)}
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        raise SettingsError("; ".join(_sentence(item) for item in error.errors())) from None
    _refuse_models_without_endpoint(settings)
    _refuse_half_an_issuer(settings)
    return settings


def environment_name(field: str) -> str:
    """The variable that sets `field`."""
    return _NAMES.get(field, PREFIX + field.upper())


def _refuse_models_without_endpoint(settings: Settings) -> None:
    if settings.has_language_models:
        return
    for field in ("llm_answer_models", "llm_routing_models"):
        if getattr(settings, field):
            raise SettingsError(
                f"{environment_name(field)} needs a key: set OPENROUTER_API_KEY, or"
                " COCCINELLE_LLM_BASE_URL to an endpoint that wants none"
            )


def _refuse_half_an_issuer(settings: Settings) -> None:
    for field, other in (("oidc_issuer", "oidc_client_id"), ("oidc_client_id", "oidc_issuer")):
        if getattr(settings, field) and not getattr(settings, other):
            raise SettingsError(f"{environment_name(field)} needs {environment_name(other)}")
    if settings.oidc_client_secret and not settings.oidc_issuer:
        raise SettingsError("COCCINELLE_OIDC_CLIENT_SECRET needs COCCINELLE_OIDC_ISSUER")


def _sentence(error: ErrorDetails) -> str:
    name, *within = map(str, error["loc"])
    return f"{'.'.join([environment_name(name), *within])}: {error['msg']}"
