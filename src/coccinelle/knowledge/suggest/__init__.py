"""What a business's site says of it, proposed for its owner to accept: nothing is written."""

from coccinelle.knowledge.suggest.model import Opening, Proposal, Service, Suggestion
from coccinelle.knowledge.suggest.proposing import suggest

__all__ = ["Opening", "Proposal", "Service", "Suggestion", "suggest"]
