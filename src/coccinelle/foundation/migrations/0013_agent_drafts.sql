-- phase: expand
-- The draft of an agent: what it is based on, who wrote it, and when; it has a number once it is published.

-- Goes up with each change of the agent or of its draft: who changes what she saw says what she saw.
ALTER TABLE agents ADD COLUMN revision integer NOT NULL DEFAULT 1;

-- Only a published version is counted: a draft that is dropped leaves no gap.
-- Readers of a number read published versions only, which have one.
-- squawk-ignore ban-drop-not-null
ALTER TABLE agent_versions ALTER COLUMN number DROP NOT NULL;
ALTER TABLE agent_versions ADD CONSTRAINT agent_versions_published_number_check
    CHECK (published_at IS NULL OR number IS NOT NULL) NOT VALID;
-- The number of the version that was live when the draft was begun, or whose content it took.
ALTER TABLE agent_versions ADD COLUMN based_on integer;
ALTER TABLE agent_versions ADD COLUMN saved_at timestamptz NOT NULL DEFAULT now();
-- Who last saved the draft, or published the version; nobody where the installation did.
ALTER TABLE agent_versions ADD COLUMN author_id uuid;
ALTER TABLE agent_versions ADD CONSTRAINT agent_versions_author_id_fkey FOREIGN KEY (tenant_id, author_id)
    REFERENCES memberships (tenant_id, user_id) ON DELETE SET NULL (author_id) NOT VALID;
