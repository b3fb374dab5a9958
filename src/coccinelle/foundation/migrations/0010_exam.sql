-- phase: expand
-- The exam: what an assistant was asked before its customers ask it, and what its owner corrected.

CREATE TABLE exams (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'asking', 'done', 'failed')),
    failure_code text,
    locale text NOT NULL CHECK (locale IN ('fr', 'en')),
    pages integer NOT NULL DEFAULT 0,
    prices integer NOT NULL DEFAULT 0,
    found_topics text[] NOT NULL DEFAULT '{}',
    missing_topics text[] NOT NULL DEFAULT '{}',
    prompt_tokens integer NOT NULL DEFAULT 0,
    completion_tokens integer NOT NULL DEFAULT 0,
    cost_microeur bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz,
    UNIQUE (tenant_id, id),
    CHECK ((state = 'failed') = (failure_code IS NOT NULL)),
    CHECK ((state IN ('done', 'failed')) = (finished_at IS NOT NULL))
);
CREATE UNIQUE INDEX exams_one_under_way ON exams (tenant_id) WHERE finished_at IS NULL;
CREATE INDEX exams_by_age ON exams (tenant_id, id DESC);
ALTER TABLE exams ENABLE ROW LEVEL SECURITY;
ALTER TABLE exams FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON exams TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON exams TO coccinelle_app;

-- A question without a verdict has not been asked yet.
CREATE TABLE exam_questions (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    exam_id uuid NOT NULL,
    position smallint NOT NULL,
    question text NOT NULL CHECK (length(question) BETWEEN 1 AND 500),
    topic text NOT NULL DEFAULT '',
    about text NOT NULL DEFAULT '',
    origin text NOT NULL CHECK (origin IN ('pack', 'content', 'model')),
    verdict text CHECK (verdict IN ('answered', 'missed', 'gap', 'contradiction')),
    answer text NOT NULL DEFAULT '',
    agent_key text,
    agent_name text,
    score real,
    -- [{title, url}]: what the answer rests on, or the passages that it should have given.
    sources jsonb NOT NULL DEFAULT '[]',
    -- {kind, subject, sides: [{title, url, text, values, declared}, …]}: what cannot both be right.
    conflict jsonb,
    resolved_at timestamptz,
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, exam_id, position),
    CHECK (verdict IS DISTINCT FROM 'contradiction' OR conflict IS NOT NULL),
    FOREIGN KEY (tenant_id, exam_id) REFERENCES exams (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE exam_questions ENABLE ROW LEVEL SECURITY;
ALTER TABLE exam_questions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON exam_questions TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON exam_questions TO coccinelle_app;

-- What the owner answered: knowledge from then on, and a test that later changes must pass.
CREATE TABLE exam_tests (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    question text NOT NULL CHECK (length(question) BETWEEN 1 AND 500),
    question_sha256 bytea NOT NULL,
    expected text NOT NULL CHECK (length(expected) BETWEEN 1 AND 4000),
    created_at timestamptz NOT NULL DEFAULT now(),
    run_at timestamptz,
    has_passed boolean,
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, question_sha256)
);
ALTER TABLE exam_tests ENABLE ROW LEVEL SECURITY;
ALTER TABLE exam_tests FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON exam_tests TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON exam_tests TO coccinelle_app;
