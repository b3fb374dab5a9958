-- phase: expand
-- What the site of a business says of it, while its owner has not accepted it: one proposal a session.

CREATE TABLE onboarding_suggestions (
    tenant_id uuid NOT NULL,
    session_id uuid NOT NULL,
    -- Which reading this is: a reading that another one has replaced writes nothing.
    id uuid NOT NULL,
    website text NOT NULL CHECK (length(website) BETWEEN 1 AND 2048),
    state text NOT NULL DEFAULT 'reading' CHECK (state IN ('reading', 'done', 'failed')),
    failure_code text,
    failure_values jsonb,
    -- {website, pages, name, phone, email, address, hours, closed_days, services, tone}
    found jsonb,
    cost_microeur bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    expires_at timestamptz NOT NULL DEFAULT now() + interval '1 day',
    PRIMARY KEY (tenant_id, session_id),
    UNIQUE (tenant_id, id),
    CHECK ((state = 'failed') = (failure_code IS NOT NULL)),
    CHECK ((state = 'done') = (found IS NOT NULL)),
    CHECK ((state = 'reading') = (finished_at IS NULL)),
    FOREIGN KEY (tenant_id, session_id) REFERENCES onboarding_sessions (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE onboarding_suggestions ENABLE ROW LEVEL SECURITY;
ALTER TABLE onboarding_suggestions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON onboarding_suggestions TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON onboarding_suggestions TO coccinelle_app;
