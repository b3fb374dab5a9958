-- phase: expand
-- The queue, in a schema of its own; its tables and functions are procrastinate's.

CREATE SCHEMA procrastinate;
SET LOCAL search_path = procrastinate;
-- include: procrastinate.sql/schema.sql
RESET search_path;

GRANT USAGE ON SCHEMA procrastinate TO coccinelle_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA procrastinate TO coccinelle_worker;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA procrastinate TO coccinelle_worker;
