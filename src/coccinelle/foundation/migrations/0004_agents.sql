-- phase: expand
-- Personas, and their immutable published configurations.

CREATE TABLE agents (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    key text NOT NULL CHECK (key ~ '^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$' AND key NOT IN ('auto', 'escalate')),
    position integer NOT NULL DEFAULT 0,
    live_version_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, key)
);
ALTER TABLE agents ENABLE ROW LEVEL SECURITY;
ALTER TABLE agents FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON agents TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON agents TO coccinelle_app;

CREATE TABLE agent_versions (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    agent_id uuid NOT NULL,
    number integer NOT NULL CHECK (number > 0),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    description text NOT NULL,
    persona text NOT NULL,
    greeting text NOT NULL,
    language text NOT NULL DEFAULT 'fr' CHECK (language IN ('fr', 'en')),
    keywords text[] NOT NULL DEFAULT '{}',
    examples text[] NOT NULL DEFAULT '{}',
    models text[] NOT NULL DEFAULT '{}',
    temperature real NOT NULL DEFAULT 0.3 CHECK (temperature BETWEEN 0 AND 2),
    fallback_message text NOT NULL,
    composer_intro text NOT NULL,
    legacy_type text CHECK (legacy_type IN ('creation', 'automation')),
    created_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, agent_id, number),
    FOREIGN KEY (tenant_id, agent_id) REFERENCES agents (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX agent_versions_one_draft ON agent_versions (tenant_id, agent_id) WHERE published_at IS NULL;
ALTER TABLE agents ADD CONSTRAINT agents_live_version_fkey
    FOREIGN KEY (tenant_id, live_version_id) REFERENCES agent_versions (tenant_id, id);

-- A published version is immutable: the policies let only a draft be changed or dropped.
ALTER TABLE agent_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE agent_versions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON agent_versions FOR SELECT TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant()));
CREATE POLICY tenant_insert ON agent_versions FOR INSERT TO coccinelle_app
    WITH CHECK (tenant_id = (SELECT app_tenant()));
CREATE POLICY tenant_draft_update ON agent_versions FOR UPDATE TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant()) AND published_at IS NULL)
    WITH CHECK (tenant_id = (SELECT app_tenant()));
CREATE POLICY tenant_draft_delete ON agent_versions FOR DELETE TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant()) AND published_at IS NULL);
GRANT SELECT, INSERT, UPDATE, DELETE ON agent_versions TO coccinelle_app;

-- What an agent is recognised by: its version's description and examples, as vectors of one model
-- (float16, little-endian, one row a text in that order).
CREATE TABLE agent_vectors (
    tenant_id uuid NOT NULL,
    agent_version_id uuid NOT NULL,
    embedding_model text NOT NULL,
    vectors bytea NOT NULL,
    PRIMARY KEY (tenant_id, agent_version_id, embedding_model),
    FOREIGN KEY (tenant_id, agent_version_id) REFERENCES agent_versions (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE agent_vectors ENABLE ROW LEVEL SECURITY;
ALTER TABLE agent_vectors FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON agent_vectors TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON agent_vectors TO coccinelle_app;
