-- phase: expand
-- What a person said and a customer has not seen is mailed to them: how far they saw, how far it was mailed.

-- Places of messages in their conversation; 0: none.
ALTER TABLE handoffs ADD COLUMN seen_seq integer NOT NULL DEFAULT 0;
ALTER TABLE handoffs ADD COLUMN replies_mailed_seq integer NOT NULL DEFAULT 0;
