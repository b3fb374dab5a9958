"""What the catalogue of a migrated database must never show: each finding is a sentence."""

from __future__ import annotations

from typing import Any

import psycopg

DIRECTORY_COLUMNS = {
    "tenants": {"id", "slug", "company_name", "created_at"},
    "tenant_domains": {"tenant_id", "host", "allowed_origins"},
    "api_keys": {"id", "tenant_id", "secret_hash", "scopes", "revoked_at"},
    "public_keys": {"id", "tenant_id", "key", "allowed_origins", "revoked_at"},
    "turns": {"tenant_id", "id", "lease_expires_at"},
    "conversations": {"tenant_id", "words_at", "last_message_at"},
    "knowledge_bases": {"tenant_id", "embedding_model"},
    "users": {"id", "email", "name", "password_hash", "created_at"},
    "memberships": {"tenant_id", "user_id", "role", "created_at", "disabled_at"},
    "sessions": {
        "id",
        "tenant_id",
        "user_id",
        "token_hash",
        "created_at",
        "last_seen_at",
        "expires_at",
    },
    "invitations": {"id", "tenant_id", "email", "token_hash", "expires_at", "accepted_at"},
    "password_resets": {"id", "user_id", "token_hash", "expires_at"},
    "user_identities": {"id", "user_id", "issuer", "subject"},
    "phone_numbers": {"tenant_id", "e164", "channel", "agent_id", "active_since"},
    "onboarding_sessions": {"id", "started_at", "completed_at"},
    "onboarding_events": {"session_id", "step", "kind", "happened_at"},
}

# Of a person, who may work for several tenants or for none: confined to herself instead.
PERSONAL = "('users', 'user_identities', 'password_resets', 'attempts')"

CHECKS = {
    "no row-level security": """
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')
          AND c.relname <> 'schema_migrations' AND NOT c.relrowsecurity""",
    "row-level security not forced": """
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')
          AND c.relname <> 'schema_migrations' AND NOT c.relforcerowsecurity""",
    "no policy for the app": """
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND c.relname NOT IN
          ('schema_migrations', 'user_identities', 'password_resets', 'attempts')
          AND NOT EXISTS (SELECT FROM pg_policies p
          WHERE p.tablename = c.relname AND 'coccinelle_app' = ANY(p.roles))""",
    "a policy that does not name the tenant": """
        SELECT tablename || '.' || policyname FROM pg_policies
        WHERE schemaname = 'public' AND 'coccinelle_app' = ANY(roles)
          AND NOT (coalesce(qual, with_check) LIKE '%app_tenant()%'
          AND coalesce(with_check, qual) LIKE '%app_tenant()%')""",
    "a policy that does not name the user": """
        SELECT tablename || '.' || policyname FROM pg_policies
        WHERE schemaname = 'public' AND 'coccinelle_user' = ANY(roles) AND tablename <> 'attempts'
          AND NOT (coalesce(qual, with_check) LIKE '%app_user()%'
          AND coalesce(with_check, qual) LIKE '%app_user()%')""",
    "a personal table that tenants may touch": """
        SELECT table_name || '.' || privilege_type FROM information_schema.column_privileges
        WHERE grantee = 'coccinelle_app' AND (table_name IN
          ('user_identities', 'password_resets', 'attempts')
          OR table_name = 'users' AND (column_name = 'password_hash'
            OR privilege_type <> 'SELECT'))""",
    "a tenant's table that users may touch": """
        SELECT DISTINCT table_name FROM information_schema.column_privileges
        WHERE grantee = 'coccinelle_user' AND table_schema = 'public'
          AND table_name NOT IN
          ('users', 'user_identities', 'memberships', 'sessions', 'password_resets', 'attempts')
           OR grantee = 'coccinelle_user' AND table_name = 'memberships'
          AND privilege_type <> 'SELECT'""",
    "a policy for everybody": """
        SELECT tablename || '.' || policyname FROM pg_policies
        WHERE schemaname = 'public' AND 'public' = ANY(roles)""",
    "a grant on a partition": """
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
          aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee
        WHERE n.nspname = 'public' AND c.relispartition AND r.rolname LIKE 'coccinelle\\_%'
          AND r.rolname <> 'coccinelle_owner'""",
    "a role with too much power": """
        SELECT rolname FROM pg_roles
        WHERE rolname LIKE 'coccinelle%' AND (rolsuper OR rolbypassrls OR rolcreatedb
          OR (rolcreaterole AND rolname <> 'coccinelle_owner'))""",
    "a role that serves and owns": """
        SELECT c.relname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
        WHERE r.rolname IN ('coccinelle_app', 'coccinelle_directory', 'coccinelle_user',
          'coccinelle_worker', 'coccinelle_login')""",
    "a view without security_invoker": """
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relkind IN ('v', 'm')
          AND NOT coalesce(c.reloptions::text LIKE '%security_invoker=true%', false)
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')""",
    "a definer function": """
        SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname IN ('public', 'procrastinate') AND p.prosecdef""",
    "a foreign key between tenant tables without the tenant": """
        SELECT k.conname FROM pg_constraint k
        WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace
          AND k.confrelid NOT IN ('tenants'::regclass, 'users'::regclass)
          AND NOT EXISTS (SELECT FROM unnest(k.conkey) WITH ORDINALITY AS l (attnum, i)
            JOIN unnest(k.confkey) WITH ORDINALITY AS f (attnum, i) USING (i)
            JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = l.attnum
            JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = f.attnum
            WHERE a.attname = 'tenant_id' AND b.attname = 'tenant_id')""",
    "a table without its tenant": """
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')
          AND c.relname NOT IN ('schema_migrations', 'tenants')
          AND c.relname NOT IN %(personal)s
          AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid
          AND a.attname = 'tenant_id' AND a.attnotnull)""",
    "a unique key of a tenant table that does not start with the tenant": """
        SELECT i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
        JOIN pg_class c ON c.oid = x.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = x.indkey[0]
        WHERE n.nspname = 'public' AND x.indisunique AND NOT c.relispartition
          AND c.relname NOT IN ('schema_migrations', 'tenants')
          AND a.attname NOT IN ('tenant_id', 'id')
          AND NOT (c.relname, a.attname) IN (('tenant_domains', 'host'),
            ('api_keys', 'secret_hash'), ('public_keys', 'key'), ('users', 'email'),
            ('sessions', 'token_hash'), ('invitations', 'token_hash'),
            ('password_resets', 'token_hash'), ('attempts', 'subject'),
            ('user_identities', 'issuer'),
            ('phone_numbers', 'e164'))""",
    "an invalid index": "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid",
}

DIRECTORY_GRANTS = """
    SELECT table_name, column_name, privilege_type FROM information_schema.column_privileges
    WHERE grantee = 'coccinelle_directory' AND table_schema = 'public'"""

WORKER_GRANTS = """
    SELECT table_name FROM information_schema.column_privileges
    WHERE grantee = 'coccinelle_worker' AND table_schema = 'public'"""


def findings(connection: psycopg.Connection[Any]) -> list[str]:
    """Everything wrong with the catalogue of this database; empty when nothing is."""
    found = [
        f"{name}: {row[0]}"
        for name, query in CHECKS.items()
        for row in connection.execute(_named(query)).fetchall()
    ]
    for table, column, privilege in connection.execute(DIRECTORY_GRANTS.encode()).fetchall():
        if privilege != "SELECT" or column not in DIRECTORY_COLUMNS.get(table, set()):
            found.append(f"the directory may {privilege} {table}.{column}")
    found += [
        f"the worker may touch {row[0]}"
        for row in connection.execute(WORKER_GRANTS.encode()).fetchall()
    ]
    return found


def _named(query: str) -> bytes:
    return query.replace("%(personal)s", PERSONAL).encode()
