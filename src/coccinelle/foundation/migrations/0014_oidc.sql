-- phase: expand
-- Who else says who somebody is: an OpenID Connect issuer, and its name for her.

-- Nobody has a password before she chose one: whoever signed up by her identity has none. The code
-- before this compares what it reads with a password that was typed, and none fits nothing.
-- squawk-ignore ban-drop-not-null
ALTER TABLE users ALTER COLUMN password_hash DROP NOT NULL;

CREATE TABLE user_identities (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    issuer text NOT NULL CHECK (length(issuer) BETWEEN 1 AND 300),
    subject text NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (issuer, subject)
);
CREATE INDEX user_identities_user ON user_identities (user_id);
ALTER TABLE user_identities ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_identities FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON user_identities TO coccinelle_user
    USING (user_id = (SELECT app_user())) WITH CHECK (user_id = (SELECT app_user()));
GRANT SELECT, INSERT, UPDATE (used_at), DELETE ON user_identities TO coccinelle_user;
CREATE POLICY directory_lookup ON user_identities FOR SELECT TO coccinelle_directory USING (true);
GRANT SELECT (id, user_id, issuer, subject) ON user_identities TO coccinelle_directory;
