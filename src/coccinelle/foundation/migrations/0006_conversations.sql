-- phase: expand
-- What customers and a business say to each other, and all that was done to answer.

CREATE TABLE customers (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name text,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, id)
);
ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
ALTER TABLE customers FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON customers TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON customers TO coccinelle_app;

CREATE TABLE customer_identities (
    tenant_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('external_id', 'email', 'phone')),
    value text NOT NULL,
    customer_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, kind, value),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX customer_identities_by_customer ON customer_identities (tenant_id, customer_id);
ALTER TABLE customer_identities ENABLE ROW LEVEL SECURITY;
ALTER TABLE customer_identities FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON customer_identities TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON customer_identities TO coccinelle_app;

CREATE TABLE conversations (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    external_id text NOT NULL,
    customer_id uuid NOT NULL,
    channel text NOT NULL CHECK (channel IN ('chat_v2', 'webhook_v1', 'openai', 'cli')),
    agent_id uuid,
    next_seq integer NOT NULL DEFAULT 1,
    opportunity_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_message_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, external_id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, agent_id) REFERENCES agents (tenant_id, id) ON DELETE SET NULL (agent_id)
);
CREATE INDEX conversations_by_customer ON conversations (tenant_id, customer_id);
ALTER TABLE conversations ENABLE ROW LEVEL SECURITY;
ALTER TABLE conversations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON conversations TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON conversations TO coccinelle_app;

CREATE TABLE turns (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    seq integer NOT NULL,
    channel text NOT NULL CHECK (channel IN ('chat_v2', 'webhook_v1', 'openai', 'cli')),
    message_key text,
    message_sha256 bytea NOT NULL,
    state text NOT NULL CHECK (state IN ('accepted', 'answering', 'answered', 'escalated', 'interrupted', 'failed')),
    lease_id uuid,
    lease_expires_at timestamptz,
    failure_code text,
    variant text NOT NULL DEFAULT 'candidate' CHECK (variant IN ('baseline', 'candidate')),
    agent_id uuid,
    agent_version_id uuid,
    confidence real CHECK (confidence BETWEEN 0 AND 1),
    reason text,
    route_method text,
    route_scores jsonb,
    search_question text,
    best_score real,
    answer_threshold real,
    loop_detected boolean NOT NULL DEFAULT false,
    first_text_ms integer,
    latency_ms integer,
    prompt_tokens integer NOT NULL DEFAULT 0,
    completion_tokens integer NOT NULL DEFAULT 0,
    cost_microeur bigint NOT NULL DEFAULT 0,
    accepted_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, conversation_id, seq),
    FOREIGN KEY (tenant_id, conversation_id) REFERENCES conversations (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, agent_id) REFERENCES agents (tenant_id, id) ON DELETE SET NULL (agent_id),
    FOREIGN KEY (tenant_id, agent_version_id)
        REFERENCES agent_versions (tenant_id, id) ON DELETE SET NULL (agent_version_id),
    CHECK ((state IN ('accepted', 'answering')) = (lease_expires_at IS NOT NULL)),
    CHECK (lease_expires_at IS NULL OR lease_id IS NOT NULL),
    CHECK ((state IN ('accepted', 'answering')) = (finished_at IS NULL)),
    CHECK ((state = 'failed') = (failure_code IS NOT NULL))
);
CREATE UNIQUE INDEX turns_one_per_message_key ON turns (tenant_id, conversation_id, message_key)
    WHERE message_key IS NOT NULL;
CREATE UNIQUE INDEX turns_one_answering ON turns (tenant_id, conversation_id) WHERE state = 'answering';
CREATE INDEX turns_open ON turns (lease_expires_at) WHERE lease_expires_at IS NOT NULL;
CREATE INDEX turns_open_by_conversation ON turns (tenant_id, conversation_id, seq) WHERE lease_expires_at IS NOT NULL;
CREATE INDEX turns_by_time ON turns (tenant_id, accepted_at);
CREATE INDEX turns_by_agent ON turns (tenant_id, agent_id);
ALTER TABLE turns ENABLE ROW LEVEL SECURITY;
ALTER TABLE turns FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON turns TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON turns TO coccinelle_app;
CREATE POLICY directory_lookup ON turns FOR SELECT TO coccinelle_directory USING (lease_expires_at IS NOT NULL);
GRANT SELECT (tenant_id, id, lease_expires_at) ON turns TO coccinelle_directory;

CREATE TABLE messages (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    seq integer NOT NULL,
    turn_id uuid,
    author text NOT NULL CHECK (author IN ('customer', 'agent', 'person')),
    agent_id uuid,
    text text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, conversation_id, seq),
    FOREIGN KEY (tenant_id, conversation_id) REFERENCES conversations (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, turn_id) REFERENCES turns (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, agent_id) REFERENCES agents (tenant_id, id) ON DELETE SET NULL (agent_id)
);
CREATE UNIQUE INDEX messages_one_of_each_author_per_turn ON messages (tenant_id, turn_id, author)
    WHERE turn_id IS NOT NULL;
CREATE INDEX messages_of_customers ON messages (tenant_id, conversation_id, seq DESC) WHERE author = 'customer';
ALTER TABLE messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE messages FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON messages TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON messages TO coccinelle_app;

CREATE TABLE turn_steps (
    tenant_id uuid NOT NULL,
    turn_id uuid NOT NULL,
    position smallint NOT NULL,
    step text NOT NULL CHECK (step IN ('admit', 'route', 'retrieve', 'generate')),
    started_ms integer NOT NULL,
    duration_ms integer NOT NULL,
    PRIMARY KEY (tenant_id, turn_id, position),
    FOREIGN KEY (tenant_id, turn_id) REFERENCES turns (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE turn_steps ENABLE ROW LEVEL SECURITY;
ALTER TABLE turn_steps FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON turn_steps TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON turn_steps TO coccinelle_app;

-- A turn that is taken up again has calls of several leases; each is kept once, whoever ended it.
CREATE TABLE model_calls (
    tenant_id uuid NOT NULL,
    turn_id uuid NOT NULL,
    lease_id uuid NOT NULL,
    position smallint NOT NULL,
    task text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    outcome text NOT NULL,
    first_token_ms integer,
    duration_ms integer NOT NULL,
    prompt_tokens integer NOT NULL,
    completion_tokens integer NOT NULL,
    cost_microeur bigint NOT NULL,
    estimated boolean NOT NULL,
    PRIMARY KEY (tenant_id, turn_id, lease_id, position),
    FOREIGN KEY (tenant_id, turn_id) REFERENCES turns (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE model_calls ENABLE ROW LEVEL SECURITY;
ALTER TABLE model_calls FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON model_calls TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON model_calls TO coccinelle_app;

-- Title and address as they were shown: the chunk itself may since have been replaced.
CREATE TABLE turn_sources (
    tenant_id uuid NOT NULL,
    turn_id uuid NOT NULL,
    position smallint NOT NULL,
    chunk_id uuid NOT NULL,
    title text NOT NULL,
    url text,
    score real NOT NULL,
    cited boolean NOT NULL,
    PRIMARY KEY (tenant_id, turn_id, position),
    FOREIGN KEY (tenant_id, turn_id) REFERENCES turns (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE turn_sources ENABLE ROW LEVEL SECURITY;
ALTER TABLE turn_sources FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON turn_sources TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON turn_sources TO coccinelle_app;

CREATE TABLE feedback (
    tenant_id uuid NOT NULL,
    turn_id uuid NOT NULL,
    score smallint NOT NULL CHECK (score IN (-1, 1)),
    comment text,
    given_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, turn_id),
    FOREIGN KEY (tenant_id, turn_id) REFERENCES turns (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE feedback ENABLE ROW LEVEL SECURITY;
ALTER TABLE feedback FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON feedback TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON feedback TO coccinelle_app;

CREATE TABLE handoffs (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    reason text NOT NULL,
    email text,
    phone text,
    note text,
    opened_at timestamptz NOT NULL DEFAULT now(),
    mailed_at timestamptz,
    closed_at timestamptz,
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, conversation_id) REFERENCES conversations (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX handoffs_one_open ON handoffs (tenant_id, conversation_id) WHERE closed_at IS NULL;
CREATE INDEX handoffs_by_age ON handoffs (tenant_id, id DESC);
ALTER TABLE handoffs ENABLE ROW LEVEL SECURITY;
ALTER TABLE handoffs FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON handoffs TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON handoffs TO coccinelle_app;
