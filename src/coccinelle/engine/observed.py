"""What a recorded turn adds to the figures, the traces and the log. Never what was said."""

from __future__ import annotations

import structlog

from coccinelle.conversations.model import Channel, Draft
from coccinelle.foundation import metrics, tracing

log = structlog.get_logger(__name__)


def observe(draft: Draft, *, channel: Channel) -> None:
    """Count, trace and log a turn, once it is recorded."""
    metrics.count_turn(
        channel=channel,
        outcome=draft.outcome,
        latency_ms=draft.latency_ms,
        first_text_ms=draft.first_text_ms,
        steps=[(step.step, step.duration_ms) for step in draft.steps],
    )
    tracing.record(
        "turn",
        duration_ms=draft.latency_ms,
        attributes={"turn.id": str(draft.turn_id), "channel": channel, "outcome": draft.outcome},
        parts=[tracing.Part(s.step, s.started_ms, s.duration_ms) for s in draft.steps],
        failed=draft.outcome == "failed",
    )
    log.info(
        "turn_recorded",
        turn_id=str(draft.turn_id),
        channel=channel,
        outcome=draft.outcome,
        latency_ms=draft.latency_ms,
        pii={"text": draft.text},
    )


def observe_calls(draft: Draft) -> None:
    """Count what was asked of language models, also for a turn that could not be recorded."""
    for call in draft.calls:
        metrics.count_model_call(
            task=call.task,
            model=call.model,
            outcome=call.outcome,
            prompt_tokens=call.prompt_tokens,
            completion_tokens=call.completion_tokens,
            cost_microeur=call.cost_microeur,
        )
