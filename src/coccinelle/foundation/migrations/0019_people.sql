-- phase: expand
-- What people of a business did is found by them, and a hand-off by its conversation.

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX messages_by_person ON messages (tenant_id, user_id) WHERE user_id IS NOT NULL;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX handoffs_by_conversation ON handoffs (tenant_id, conversation_id);
