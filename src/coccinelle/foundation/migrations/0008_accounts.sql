-- phase: expand
-- People: who they are, what they may do for a business, how they prove it, and what they did.

-- Roles belong to the cluster, which other databases share: another one may create them meanwhile.
DO $$
BEGIN
    CREATE ROLE coccinelle_user NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;
GRANT USAGE ON SCHEMA public TO coccinelle_user;

CREATE FUNCTION app_user() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT nullif(current_setting('app.user_id', true), '')::uuid $$;

-- A person has one row and one password, whatever the number of businesses that she works for.
CREATE TABLE users (
    id uuid PRIMARY KEY,
    email text NOT NULL UNIQUE CHECK (length(email) BETWEEN 3 AND 254),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    password_hash text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE users FORCE ROW LEVEL SECURITY;

CREATE TABLE memberships (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role text NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
    created_at timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz,
    PRIMARY KEY (tenant_id, user_id)
);
CREATE INDEX memberships_user ON memberships (user_id);
ALTER TABLE memberships ENABLE ROW LEVEL SECURITY;
ALTER TABLE memberships FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON memberships TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON memberships TO coccinelle_app;
CREATE POLICY own ON memberships FOR SELECT TO coccinelle_user
    USING (user_id = (SELECT app_user()));
GRANT SELECT ON memberships TO coccinelle_user;
CREATE POLICY directory_lookup ON memberships FOR SELECT TO coccinelle_directory USING (true);
GRANT SELECT (tenant_id, user_id, role, created_at, disabled_at) ON memberships
    TO coccinelle_directory;

-- A tenant sees its members, and no password.
CREATE POLICY tenant_isolation ON users FOR SELECT TO coccinelle_app
    USING (EXISTS (SELECT FROM memberships m
        WHERE m.user_id = users.id AND m.tenant_id = (SELECT app_tenant())));
GRANT SELECT (id, email, name, created_at) ON users TO coccinelle_app;
CREATE POLICY own ON users TO coccinelle_user
    USING (id = (SELECT app_user())) WITH CHECK (id = (SELECT app_user()));
GRANT SELECT, INSERT, UPDATE (name, password_hash) ON users TO coccinelle_user;
CREATE POLICY directory_lookup ON users FOR SELECT TO coccinelle_directory USING (true);
GRANT SELECT (id, email, name, password_hash, created_at) ON users TO coccinelle_directory;

-- One log-in. It ends with the membership that it is of.
CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    token_hash bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    address text NOT NULL,
    user_agent text NOT NULL,
    FOREIGN KEY (tenant_id, user_id) REFERENCES memberships (tenant_id, user_id) ON DELETE CASCADE
);
CREATE INDEX sessions_membership ON sessions (tenant_id, user_id);
CREATE INDEX sessions_user ON sessions (user_id);
ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE sessions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON sessions TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
CREATE POLICY own ON sessions TO coccinelle_user
    USING (user_id = (SELECT app_user())) WITH CHECK (user_id = (SELECT app_user()));
GRANT SELECT, INSERT, UPDATE (last_seen_at), DELETE ON sessions TO coccinelle_user;
CREATE POLICY directory_lookup ON sessions FOR SELECT TO coccinelle_directory USING (true);
GRANT SELECT (id, tenant_id, user_id, token_hash, created_at, last_seen_at, expires_at) ON sessions
    TO coccinelle_directory;

-- One for each address that a tenant invites; its token is unknown until the mail is written.
CREATE TABLE invitations (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    email text NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
    role text NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
    token_hash bytea UNIQUE,
    invited_by uuid REFERENCES users (id) ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    mailed_at timestamptz,
    accepted_at timestamptz,
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, email)
);
CREATE INDEX invitations_invited_by ON invitations (invited_by);
ALTER TABLE invitations ENABLE ROW LEVEL SECURITY;
ALTER TABLE invitations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON invitations TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON invitations TO coccinelle_app;
CREATE POLICY directory_lookup ON invitations FOR SELECT TO coccinelle_directory USING (true);
GRANT SELECT (id, tenant_id, email, token_hash, expires_at, accepted_at) ON invitations
    TO coccinelle_directory;

CREATE TABLE password_resets (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    token_hash bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    mailed_at timestamptz
);
CREATE INDEX password_resets_user ON password_resets (user_id);
ALTER TABLE password_resets ENABLE ROW LEVEL SECURITY;
ALTER TABLE password_resets FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON password_resets TO coccinelle_user
    USING (user_id = (SELECT app_user())) WITH CHECK (user_id = (SELECT app_user()));
GRANT SELECT, INSERT, UPDATE, DELETE ON password_resets TO coccinelle_user;
CREATE POLICY directory_lookup ON password_resets FOR SELECT TO coccinelle_directory USING (true);
GRANT SELECT (id, user_id, token_hash, expires_at) ON password_resets TO coccinelle_directory;

-- Instants at which somebody unknown tried something; subjects are digests, of nobody's rows.
CREATE TABLE attempts (
    subject text PRIMARY KEY,
    hits timestamptz[] NOT NULL,
    expires_at timestamptz NOT NULL
);
ALTER TABLE attempts ENABLE ROW LEVEL SECURITY;
ALTER TABLE attempts FORCE ROW LEVEL SECURITY;
CREATE POLICY anybody ON attempts TO coccinelle_user USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON attempts TO coccinelle_user;

-- Who changed what: written with the change, never changed.
CREATE TABLE audit_events (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT now(),
    actor_kind text NOT NULL CHECK (actor_kind IN ('user', 'api_key', 'operator')),
    actor_id uuid,
    action text NOT NULL CHECK (length(action) BETWEEN 1 AND 100),
    about text CHECK (length(about) BETWEEN 1 AND 200),
    details jsonb NOT NULL DEFAULT '{}',
    UNIQUE (tenant_id, id)
);
ALTER TABLE audit_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_events FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON audit_events TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT ON audit_events TO coccinelle_app;
