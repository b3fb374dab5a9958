-- phase: expand
-- What a business knows: sources, their documents, and the chunks that are searched.

CREATE TABLE sources (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('file', 'text', 'page', 'site', 'faq')),
    title text NOT NULL CHECK (length(title) BETWEEN 1 AND 300),
    url text,
    filename text,
    media_type text,
    content bytea,
    content_sha256 bytea,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'reading', 'embedding', 'ready', 'failed')),
    failure_code text,
    failure_values jsonb,
    chunks_total integer NOT NULL DEFAULT 0,
    chunks_done integer NOT NULL DEFAULT 0,
    requested_generation integer NOT NULL DEFAULT 1,
    live_generation integer,
    embedding_model text,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    ready_at timestamptz,
    -- Somebody is ingesting it; renewed while they live, by the database's clock.
    held_until timestamptz,
    UNIQUE (tenant_id, id),
    CHECK ((kind IN ('page', 'site')) = (url IS NOT NULL))
);
CREATE UNIQUE INDEX sources_one_per_content ON sources (tenant_id, content_sha256) WHERE content_sha256 IS NOT NULL;
CREATE UNIQUE INDEX sources_one_per_url ON sources (tenant_id, kind, url) WHERE url IS NOT NULL;
CREATE INDEX sources_by_age ON sources (tenant_id, id DESC);
ALTER TABLE sources ENABLE ROW LEVEL SECURITY;
ALTER TABLE sources FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON sources TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON sources TO coccinelle_app;

-- The agents that may use a source; none means that all of them share it.
CREATE TABLE source_agents (
    tenant_id uuid NOT NULL,
    source_id uuid NOT NULL,
    agent_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, source_id, agent_id),
    FOREIGN KEY (tenant_id, source_id) REFERENCES sources (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, agent_id) REFERENCES agents (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX source_agents_by_agent ON source_agents (tenant_id, agent_id);
ALTER TABLE source_agents ENABLE ROW LEVEL SECURITY;
ALTER TABLE source_agents FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON source_agents TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON source_agents TO coccinelle_app;

-- The progress of a site's crawl: its frontier, and the pages fetched for the generation being built.
CREATE TABLE crawls (
    tenant_id uuid NOT NULL,
    source_id uuid NOT NULL,
    generation integer NOT NULL,
    frontier jsonb NOT NULL,
    pages_done integer NOT NULL DEFAULT 0,
    bytes_done bigint NOT NULL DEFAULT 0,
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, source_id),
    FOREIGN KEY (tenant_id, source_id) REFERENCES sources (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE crawls ENABLE ROW LEVEL SECURITY;
ALTER TABLE crawls FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON crawls TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON crawls TO coccinelle_app;

CREATE TABLE crawled_pages (
    tenant_id uuid NOT NULL,
    source_id uuid NOT NULL,
    position integer NOT NULL,
    url text NOT NULL,
    media_type text NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (tenant_id, source_id, position),
    FOREIGN KEY (tenant_id, source_id) REFERENCES crawls (tenant_id, source_id) ON DELETE CASCADE
);
ALTER TABLE crawled_pages ENABLE ROW LEVEL SECURITY;
ALTER TABLE crawled_pages FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON crawled_pages TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON crawled_pages TO coccinelle_app;

CREATE TABLE documents (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    source_id uuid NOT NULL,
    position integer NOT NULL,
    title text NOT NULL,
    url text,
    content_sha256 bytea NOT NULL,
    failure_code text,
    failure_values jsonb,
    chunk_count integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, source_id) REFERENCES sources (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX documents_by_source ON documents (tenant_id, source_id, position);
ALTER TABLE documents ENABLE ROW LEVEL SECURITY;
ALTER TABLE documents FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON documents TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON documents TO coccinelle_app;

CREATE TABLE chunks (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    source_id uuid NOT NULL,
    document_id uuid NOT NULL,
    position integer NOT NULL,
    kind text NOT NULL CHECK (kind IN ('text', 'table_row', 'qa')),
    heading text NOT NULL,
    question text,
    text text NOT NULL,
    lexeme_count integer NOT NULL,
    agent_ids uuid[] NOT NULL DEFAULT '{}',
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, source_id) REFERENCES sources (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, document_id) REFERENCES documents (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX chunks_by_document ON chunks (tenant_id, document_id, position);
CREATE INDEX chunks_by_source ON chunks (tenant_id, source_id) INCLUDE (lexeme_count);
ALTER TABLE chunks ENABLE ROW LEVEL SECURITY;
ALTER TABLE chunks FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON chunks TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON chunks TO coccinelle_app;

-- One row per lexeme of a chunk (title lexemes counted three times), with all that BM25 needs in the index.
CREATE TABLE postings (
    tenant_id uuid NOT NULL,
    lexeme text COLLATE "C" NOT NULL,
    chunk_id uuid NOT NULL,
    tf smallint NOT NULL,
    lexeme_count integer NOT NULL,
    agent_ids uuid[] NOT NULL DEFAULT '{}',
    FOREIGN KEY (tenant_id, chunk_id) REFERENCES chunks (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX postings_by_lexeme ON postings (tenant_id, lexeme, chunk_id) INCLUDE (tf, lexeme_count, agent_ids);
CREATE INDEX postings_by_chunk ON postings (chunk_id);
ALTER TABLE postings ENABLE ROW LEVEL SECURITY;
ALTER TABLE postings FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON postings TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON postings TO coccinelle_app;

-- The tenant's vocabulary: what a misspelt word of a question is repaired to. Words alike begin or
-- end alike, and ranges of text are found by an index under row level security (trigrams are not).
CREATE TABLE lexemes (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    lexeme text COLLATE "C" NOT NULL,
    reversed text COLLATE "C" NOT NULL GENERATED ALWAYS AS (reverse(lexeme)) STORED,
    chunk_count integer NOT NULL CHECK (chunk_count >= 0),
    PRIMARY KEY (tenant_id, lexeme)
);
CREATE INDEX lexemes_by_ending ON lexemes (tenant_id, reversed);
ALTER TABLE lexemes ENABLE ROW LEVEL SECURITY;
ALTER TABLE lexemes FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON lexemes TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON lexemes TO coccinelle_app;

-- Narrow, and partitioned by tenant: an exact scan reads little, an index stays small. Slot 0 is the
-- text, the others what it answers. Only tenants above the limit of exact search are in the graph.
CREATE TABLE chunk_vectors (
    tenant_id uuid NOT NULL,
    chunk_id uuid NOT NULL,
    slot smallint NOT NULL,
    weight real NOT NULL,
    agent_ids uuid[] NOT NULL DEFAULT '{}',
    in_graph boolean NOT NULL DEFAULT false,
    embedding halfvec(384) NOT NULL,
    PRIMARY KEY (tenant_id, chunk_id, slot),
    FOREIGN KEY (tenant_id, chunk_id) REFERENCES chunks (tenant_id, id) ON DELETE CASCADE
) PARTITION BY HASH (tenant_id);
DO $$
BEGIN
    FOR part IN 0..15 LOOP
        EXECUTE format(
            'CREATE TABLE chunk_vectors_%s PARTITION OF chunk_vectors FOR VALUES WITH (MODULUS 16, REMAINDER %s)',
            lpad(part::text, 2, '0'), part
        );
        EXECUTE format('ALTER TABLE chunk_vectors_%s ENABLE ROW LEVEL SECURITY', lpad(part::text, 2, '0'));
        EXECUTE format('ALTER TABLE chunk_vectors_%s FORCE ROW LEVEL SECURITY', lpad(part::text, 2, '0'));
    END LOOP;
END
$$;
CREATE INDEX chunk_vectors_hnsw ON chunk_vectors USING hnsw (embedding halfvec_ip_ops) WITH (m = 16, ef_construction = 64) WHERE in_graph;
ALTER TABLE chunk_vectors ENABLE ROW LEVEL SECURITY;
ALTER TABLE chunk_vectors FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON chunk_vectors TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON chunk_vectors TO coccinelle_app;

-- Vectors by content (float16, little-endian): what a second try of an ingestion need not compute again.
CREATE TABLE embedded_texts (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    embedding_model text NOT NULL,
    purpose text NOT NULL CHECK (purpose IN ('query', 'passage')),
    text_sha256 bytea NOT NULL,
    vector bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, embedding_model, purpose, text_sha256)
);
ALTER TABLE embedded_texts ENABLE ROW LEVEL SECURITY;
ALTER TABLE embedded_texts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON embedded_texts TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON embedded_texts TO coccinelle_app;

-- What a search needs to know of the whole base, and the score below which no model is called.
CREATE TABLE knowledge_bases (
    tenant_id uuid PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
    embedding_model text NOT NULL,
    chunk_count integer NOT NULL DEFAULT 0,
    lexeme_count bigint NOT NULL DEFAULT 0,
    has_graph boolean NOT NULL DEFAULT false,
    answer_threshold real NOT NULL DEFAULT 0.30,
    calibrated_from integer NOT NULL DEFAULT 0,
    changed_at timestamptz NOT NULL DEFAULT now(),
    calibrated_as_of timestamptz
);
ALTER TABLE knowledge_bases ENABLE ROW LEVEL SECURITY;
ALTER TABLE knowledge_bases FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON knowledge_bases TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON knowledge_bases TO coccinelle_app;
CREATE POLICY directory_lookup ON knowledge_bases FOR SELECT TO coccinelle_directory USING (true);
GRANT SELECT (tenant_id, embedding_model) ON knowledge_bases TO coccinelle_directory;

CREATE TABLE knowledge_gaps (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    question text NOT NULL,
    question_sha256 bytea NOT NULL,
    best_score real,
    asked_count integer NOT NULL DEFAULT 1,
    first_asked_at timestamptz NOT NULL DEFAULT now(),
    last_asked_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, question_sha256)
);
ALTER TABLE knowledge_gaps ENABLE ROW LEVEL SECURITY;
ALTER TABLE knowledge_gaps FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON knowledge_gaps TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON knowledge_gaps TO coccinelle_app;
