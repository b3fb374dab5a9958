-- phase: expand
-- What was said, found again by its words; conversations by when they were last spoken in.

-- Both indexes of conversations are built in a second or so, for which they cannot be written.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX conversations_by_time ON conversations (tenant_id, last_message_at DESC, id DESC);

-- The words of a conversation, as one row that is read instead of its messages: under row level
-- security no index finds words. A worker keeps them, apart from any turn.
CREATE TABLE conversation_words (
    tenant_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    words tsvector NOT NULL,
    PRIMARY KEY (tenant_id, conversation_id),
    FOREIGN KEY (tenant_id, conversation_id) REFERENCES conversations (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE conversation_words ALTER COLUMN words SET STORAGE MAIN;
ALTER TABLE conversation_words ENABLE ROW LEVEL SECURITY;
ALTER TABLE conversation_words FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON conversation_words TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON conversation_words TO coccinelle_app;

-- When the conversation was last spoken in, as of the words that are kept: another time, and some
-- of its words may be missing.
ALTER TABLE conversations ADD COLUMN words_at timestamptz;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX conversations_unkept ON conversations (tenant_id, id) WHERE words_at IS DISTINCT FROM last_message_at;
CREATE POLICY directory_lookup ON conversations FOR SELECT TO coccinelle_directory
    USING (words_at IS DISTINCT FROM last_message_at);
GRANT SELECT (tenant_id, words_at, last_message_at) ON conversations TO coccinelle_directory;
