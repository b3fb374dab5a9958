"""What a business knows: sources that its owner gives, and the passages that answers come from.

`actions` adds, tags and removes sources; each is ingested by a job, or in place (`ingest`): read
(`reading`, with `parsing` and `crawl`), cut (`chunking`), embedded (`embedding`), and switched over
in one transaction (`indexing`). `search` finds, `calibration` learns when not to answer. What was
asked in vain is in `gaps`, and what the team says instead in `answers`.
"""
