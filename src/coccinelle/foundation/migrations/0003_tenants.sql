-- phase: expand
-- The business, and what proves that a request is for it.

CREATE TABLE tenants (
    id uuid PRIMARY KEY,
    slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    company_name text NOT NULL CHECK (length(company_name) BETWEEN 1 AND 200),
    sector text NOT NULL DEFAULT 'generaliste',
    email text,
    phone text,
    website text,
    address text,
    locale text NOT NULL DEFAULT 'fr' CHECK (locale IN ('fr', 'en')),
    timezone text NOT NULL DEFAULT 'Europe/Paris',
    handoff_email text,
    offer_text text,
    offer_url text,
    created_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON tenants TO coccinelle_app
    USING (id = (SELECT app_tenant())) WITH CHECK (id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE ON tenants TO coccinelle_app;
CREATE POLICY directory_lookup ON tenants FOR SELECT TO coccinelle_directory USING (true);
GRANT SELECT (id, slug, company_name, created_at) ON tenants TO coccinelle_directory;

CREATE TABLE tenant_domains (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    host text NOT NULL UNIQUE CHECK (host = lower(host) AND length(host) BETWEEN 1 AND 253),
    allowed_origins text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, host)
);
ALTER TABLE tenant_domains ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant_domains FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON tenant_domains TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON tenant_domains TO coccinelle_app;
CREATE POLICY directory_lookup ON tenant_domains FOR SELECT TO coccinelle_directory USING (true);
GRANT SELECT (tenant_id, host, allowed_origins) ON tenant_domains TO coccinelle_directory;

CREATE TABLE api_keys (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    scopes text[] NOT NULL,
    secret_hash bytea NOT NULL UNIQUE,
    last_four text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    UNIQUE (tenant_id, id)
);
ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON api_keys TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE ON api_keys TO coccinelle_app;
CREATE POLICY directory_lookup ON api_keys FOR SELECT TO coccinelle_directory USING (true);
GRANT SELECT (id, tenant_id, secret_hash, scopes, revoked_at) ON api_keys TO coccinelle_directory;

CREATE TABLE public_keys (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    key text NOT NULL UNIQUE,
    allowed_origins text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    UNIQUE (tenant_id, id)
);
ALTER TABLE public_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE public_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON public_keys TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE ON public_keys TO coccinelle_app;
CREATE POLICY directory_lookup ON public_keys FOR SELECT TO coccinelle_directory USING (true);
GRANT SELECT (id, tenant_id, key, allowed_origins, revoked_at) ON public_keys TO coccinelle_directory;

-- Instants of what was counted, newest last, for one subject (an address, a user, a conversation).
CREATE TABLE rate_limits (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    subject text NOT NULL,
    hits timestamptz[] NOT NULL,
    PRIMARY KEY (tenant_id, subject)
);
ALTER TABLE rate_limits ENABLE ROW LEVEL SECURITY;
ALTER TABLE rate_limits FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON rate_limits TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON rate_limits TO coccinelle_app;
