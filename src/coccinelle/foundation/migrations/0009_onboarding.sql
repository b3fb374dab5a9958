-- phase: expand
-- From sign-up to a working assistant: numbers, people and hours, the owner's progress.

-- Null until its owner says what the business is called and does.
ALTER TABLE tenants ADD COLUMN described_at timestamptz;
ALTER TABLE tenants ADD COLUMN closes_on_public_holidays boolean;

ALTER TABLE agent_versions ADD COLUMN type text NOT NULL DEFAULT 'custom' CHECK (type IN
    ('multi_purpose', 'real_estate_reception', 'appointment_booking', 'phone_reception', 'customer_support', 'custom'));
ALTER TABLE agent_versions ADD COLUMN voice_provider text NOT NULL DEFAULT 'default'
    CHECK (length(voice_provider) BETWEEN 1 AND 50);
ALTER TABLE agent_versions ADD COLUMN voice_id text NOT NULL DEFAULT 'female' CHECK (length(voice_id) BETWEEN 1 AND 200);
ALTER TABLE agent_versions ADD COLUMN voice_language text NOT NULL DEFAULT 'fr-FR'
    CHECK (voice_language ~ '^(fr|en)(-[A-Z]{2})?$');
ALTER TABLE agent_versions ADD COLUMN voice_settings jsonb NOT NULL DEFAULT '{}';
ALTER TABLE agent_versions ADD COLUMN enable_appointments boolean NOT NULL DEFAULT false;
ALTER TABLE agent_versions ADD COLUMN enable_products boolean NOT NULL DEFAULT false;

-- Whose a number is. Declared, verified and answered are three facts, each with its time.
CREATE TABLE phone_numbers (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    e164 text NOT NULL CHECK (e164 ~ '^\+[1-9][0-9]{5,14}$'),
    channel text NOT NULL DEFAULT 'voice' CHECK (channel IN ('voice', 'sms')),
    agent_id uuid,
    declared_at timestamptz NOT NULL DEFAULT now(),
    verified_at timestamptz,
    active_since timestamptz,
    UNIQUE (tenant_id, id),
    UNIQUE (e164, channel),
    FOREIGN KEY (tenant_id, agent_id) REFERENCES agents (tenant_id, id) ON DELETE SET NULL (agent_id)
);
CREATE UNIQUE INDEX phone_numbers_one_per_agent ON phone_numbers (tenant_id, agent_id, channel)
    WHERE agent_id IS NOT NULL;
ALTER TABLE phone_numbers ENABLE ROW LEVEL SECURITY;
ALTER TABLE phone_numbers FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON phone_numbers TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON phone_numbers TO coccinelle_app;
CREATE POLICY directory_lookup ON phone_numbers FOR SELECT TO coccinelle_directory USING (true);
GRANT SELECT (tenant_id, e164, channel, agent_id, active_since) ON phone_numbers TO coccinelle_directory;

-- People who take appointments.
CREATE TABLE staff (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    email text CHECK (length(email) BETWEEN 1 AND 254),
    phone text CHECK (phone ~ '^\+[1-9][0-9]{5,14}$'),
    position integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, name)
);
ALTER TABLE staff ENABLE ROW LEVEL SECURITY;
ALTER TABLE staff FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON staff TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON staff TO coccinelle_app;

-- Local times; what closes before it opens closes on the next day, 00:00 to 00:00 is the whole day.
CREATE TABLE opening_hours (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    weekday smallint NOT NULL CHECK (weekday BETWEEN 1 AND 7),
    opens time NOT NULL,
    closes time NOT NULL,
    PRIMARY KEY (tenant_id, weekday, opens),
    CHECK (opens <> closes OR opens = '00:00')
);
ALTER TABLE opening_hours ENABLE ROW LEVEL SECURITY;
ALTER TABLE opening_hours FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON opening_hours TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON opening_hours TO coccinelle_app;

CREATE TABLE closures (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    starts_on date NOT NULL,
    ends_on date NOT NULL,
    reason text CHECK (length(reason) BETWEEN 1 AND 200),
    PRIMARY KEY (tenant_id, starts_on),
    CHECK (starts_on <= ends_on)
);
ALTER TABLE closures ENABLE ROW LEVEL SECURITY;
ALTER TABLE closures FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON closures TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON closures TO coccinelle_app;

-- What a source stands for: of one slot there is one, and a newer one takes its place.
ALTER TABLE sources ADD COLUMN slot text CHECK (length(slot) BETWEEN 1 AND 100);
-- No row has a slot yet: the index is made at once.
-- squawk-ignore require-concurrent-index-creation
CREATE UNIQUE INDEX sources_one_per_slot ON sources (tenant_id, slot) WHERE slot IS NOT NULL;

-- The step to do next: 2 business, 3 staff, 4 assistant, 5 knowledge, 6 complete.
CREATE TABLE onboarding_sessions (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    current_step smallint NOT NULL DEFAULT 2 CHECK (current_step BETWEEN 2 AND 6),
    agent_id uuid,
    started_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz,
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, agent_id) REFERENCES agents (tenant_id, id) ON DELETE SET NULL (agent_id)
);
CREATE UNIQUE INDEX onboarding_sessions_one_open ON onboarding_sessions (tenant_id) WHERE completed_at IS NULL;
CREATE INDEX onboarding_sessions_by_start ON onboarding_sessions (started_at);
CREATE INDEX onboarding_sessions_by_completion ON onboarding_sessions (completed_at);
ALTER TABLE onboarding_sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE onboarding_sessions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON onboarding_sessions TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE ON onboarding_sessions TO coccinelle_app;
CREATE POLICY directory_lookup ON onboarding_sessions FOR SELECT TO coccinelle_directory USING (true);
GRANT SELECT (id, started_at, completed_at) ON onboarding_sessions TO coccinelle_directory;

CREATE TABLE onboarding_events (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    session_id uuid NOT NULL,
    step text NOT NULL CHECK (step IN ('business', 'staff', 'assistant', 'knowledge', 'complete')),
    kind text NOT NULL CHECK (kind IN ('entered', 'saved', 'failed')),
    code text,
    happened_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, id),
    CHECK ((kind = 'failed') = (code IS NOT NULL)),
    FOREIGN KEY (tenant_id, session_id) REFERENCES onboarding_sessions (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX onboarding_events_by_session ON onboarding_events (tenant_id, session_id, happened_at);
CREATE INDEX onboarding_events_by_time ON onboarding_events (happened_at);
ALTER TABLE onboarding_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE onboarding_events FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON onboarding_events TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT ON onboarding_events TO coccinelle_app;
CREATE POLICY directory_lookup ON onboarding_events FOR SELECT TO coccinelle_directory USING (true);
GRANT SELECT (session_id, step, kind, happened_at) ON onboarding_events TO coccinelle_directory;
