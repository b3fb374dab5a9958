"""The words that were said in conversations: kept apart from any turn, and found again.

A word is as PostgreSQL stems it, without accents. What was said since the words of a conversation
were last kept is read as it is: a search misses nothing.
"""

from __future__ import annotations

from coccinelle.foundation.database import DirectoryTx, TenantTx
from coccinelle.foundation.ids import TenantId

# A tsvector holds a mebibyte, and one too long fails the search of the whole business: what is kept
# and what is not yet stay below it together, whatever a customer says.
MAX_WORDS = 5_000
MAX_WORD_BYTES = 100

# A message is written in a transaction that began at most so long before it can be seen.
WRITING_MINUTES = 10

# The words of a conversation `c`, those that are kept and those that are not yet.
_ALL = f"""
    coalesce((SELECT k.words FROM conversation_words k
        WHERE k.tenant_id = %(tenant)s AND k.conversation_id = c.id), '')
    || (SELECT array_to_tsvector((coalesce(array_agg(DISTINCT l.word), '{{}}'))[1:{MAX_WORDS}])
        FROM messages m,
            unnest(tsvector_to_array(to_tsvector('public.fr', m.text))) AS l (word)
        WHERE octet_length(l.word) <= {MAX_WORD_BYTES}
            AND m.tenant_id = %(tenant)s AND m.conversation_id = c.id AND (c.words_at IS NULL
            OR m.created_at > c.words_at - make_interval(mins => {WRITING_MINUTES})))
"""

# Every word that is asked for, in any message; the last one may still be being typed.
_ASKED = rf"""
    SELECT string_agg('''' || replace(replace(word, '\', '\\'), '''', '''''') || ''''
        || CASE WHEN place = 1 AND length(word) > 2 THEN ':*' ELSE '' END, ' & ')::tsquery
    FROM (SELECT word, row_number() OVER (ORDER BY places[cardinality(places)] DESC) AS place
          FROM unnest(to_tsvector('public.fr', %(words)s)) AS l (word, places)
          WHERE octet_length(word) <= {MAX_WORD_BYTES}) AS asked
"""

# A condition on a conversation `c`. Kept words are read in one go, and not one conversation after
# the other: it takes as long for a word that nobody said as for one that everybody did.
FOUND = f"""
    CASE WHEN c.words_at IS DISTINCT FROM c.last_message_at THEN {_ALL} @@ ({_ASKED})
        ELSE c.id IN (SELECT k.conversation_id FROM conversation_words k
            WHERE k.tenant_id = %(tenant)s AND k.words @@ ({_ASKED})) END
"""

_BOUNDED = f"array_to_tsvector((tsvector_to_array({{}}))[1:{MAX_WORDS}])"

_KEEP = f"""
    WITH unkept AS MATERIALIZED (SELECT id, words_at, last_message_at FROM conversations
        WHERE tenant_id = %(tenant)s AND words_at IS DISTINCT FROM last_message_at
        ORDER BY id LIMIT %(most)s),
    kept AS (INSERT INTO conversation_words AS k (tenant_id, conversation_id, words)
        SELECT %(tenant)s, c.id, {_BOUNDED.format(_ALL)} FROM unkept c
        ON CONFLICT (tenant_id, conversation_id) DO UPDATE
            SET words = {_BOUNDED.format("k.words || excluded.words")})
    UPDATE conversations c SET words_at = unkept.last_message_at FROM unkept
    WHERE c.tenant_id = %(tenant)s AND c.id = unkept.id
        AND c.last_message_at = unkept.last_message_at
"""


async def keep(tx: TenantTx, *, most: int) -> int:
    """Keep the words of some conversations that were spoken in since; returns of how many.

    One in which somebody speaks at this moment stays for the next time.
    """
    return await tx.run(_KEEP, {"tenant": tx.tenant_id, "most": most})


async def tenants_with_unkept(tx: DirectoryTx) -> list[TenantId]:
    """Who has conversations whose words are not all kept."""
    found = await tx.records(
        "SELECT DISTINCT tenant_id FROM conversations"
        " WHERE words_at IS DISTINCT FROM last_message_at"
    )
    return [TenantId(row["tenant_id"]) for row in found]
