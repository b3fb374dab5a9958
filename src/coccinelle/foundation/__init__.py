"""The ground that every room stands on, and that knows none of them.

The database and its migrations, embedded PostgreSQL, jobs, the guarded HTTP client, settings,
errors and their words, ids, time, logs, metrics and traces.
"""
