-- phase: expand
-- Who takes care of a customer: claimed, answered in the conversation, closed; the assistant is silent meanwhile.

-- Who is a member no more holds no hand-off, and what they said stays said.
ALTER TABLE handoffs ADD COLUMN claimed_at timestamptz;
ALTER TABLE handoffs ADD COLUMN claimed_by uuid;
ALTER TABLE handoffs ADD COLUMN closed_by uuid;
ALTER TABLE handoffs ADD CONSTRAINT handoffs_claimed_by_fkey FOREIGN KEY (tenant_id, claimed_by)
    REFERENCES memberships (tenant_id, user_id) ON DELETE SET NULL (claimed_by) NOT VALID;
ALTER TABLE handoffs ADD CONSTRAINT handoffs_closed_by_fkey FOREIGN KEY (tenant_id, closed_by)
    REFERENCES memberships (tenant_id, user_id) ON DELETE SET NULL (closed_by) NOT VALID;
ALTER TABLE handoffs ADD CONSTRAINT handoffs_claimed_by_check
    CHECK (claimed_by IS NULL OR claimed_at IS NOT NULL) NOT VALID;
ALTER TABLE handoffs ADD CONSTRAINT handoffs_closed_by_check
    CHECK (closed_by IS NULL OR closed_at IS NOT NULL) NOT VALID;

ALTER TABLE messages ADD COLUMN user_id uuid;
ALTER TABLE messages ADD CONSTRAINT messages_user_id_fkey FOREIGN KEY (tenant_id, user_id)
    REFERENCES memberships (tenant_id, user_id) ON DELETE SET NULL (user_id) NOT VALID;
ALTER TABLE messages ADD CONSTRAINT messages_user_id_check
    CHECK (user_id IS NULL OR author = 'person') NOT VALID;

-- What was allowed is allowed still, and one state more.
-- squawk-ignore ban-drop-constraint
ALTER TABLE turns DROP CONSTRAINT turns_state_check;
ALTER TABLE turns ADD CONSTRAINT turns_state_check CHECK (state IN
    ('accepted', 'answering', 'answered', 'escalated', 'handed_over', 'interrupted', 'failed')) NOT VALID;
