-- phase: expand
-- What became of a question without an answer: the team answered it, or has nothing to say to it.

ALTER TABLE knowledge_gaps ADD COLUMN settled_as text;
ALTER TABLE knowledge_gaps ADD COLUMN settled_at timestamptz;
ALTER TABLE knowledge_gaps ADD CONSTRAINT knowledge_gaps_settled_as_check
    CHECK (settled_as IN ('answered', 'dismissed')) NOT VALID;
ALTER TABLE knowledge_gaps ADD CONSTRAINT knowledge_gaps_settled_at_check
    CHECK ((settled_as IS NULL) = (settled_at IS NULL)) NOT VALID;

-- A business has few of them: the indexes are made at once.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX knowledge_gaps_latest ON knowledge_gaps (tenant_id, last_asked_at DESC, id DESC)
    WHERE settled_at IS NULL;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX knowledge_gaps_most_asked ON knowledge_gaps (tenant_id, asked_count DESC, last_asked_at DESC, id DESC)
    WHERE settled_at IS NULL;
