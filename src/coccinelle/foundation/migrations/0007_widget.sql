-- phase: expand
-- The widget: how a business wants it to look, and who its site proves that a visitor is.

CREATE TABLE widget_settings (
    tenant_id uuid PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
    color text CHECK (color ~ '^#[0-9a-f]{6}$'),
    position text CHECK (position IN ('left', 'right')),
    greeting_fr text CHECK (length(greeting_fr) BETWEEN 1 AND 500),
    greeting_en text CHECK (length(greeting_en) BETWEEN 1 AND 500),
    reply_within_minutes integer CHECK (reply_within_minutes BETWEEN 1 AND 43200),
    updated_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE widget_settings ENABLE ROW LEVEL SECURITY;
ALTER TABLE widget_settings FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON widget_settings TO coccinelle_app
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
GRANT SELECT, INSERT, UPDATE ON widget_settings TO coccinelle_app;

-- Kept as it is: the server computes the same HMAC as the site. The directory may not read it.
ALTER TABLE public_keys ADD COLUMN identity_secret text;

-- What the site proved is the id; the e-mail address is only what its page says.
ALTER TABLE conversations ADD COLUMN identity text;
ALTER TABLE conversations ADD COLUMN identity_email text;
ALTER TABLE conversations ADD COLUMN identified_at timestamptz;
