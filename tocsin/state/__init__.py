"""What people configure and decide: users, sessions, keys, rules' settings, lists, triage, notes, notifications, audit.

SQLAlchemy 2 over SQLite or PostgreSQL, schema by Alembic. `triage` is compare-and-set by revision: a conflict is 409
at the API.
"""
