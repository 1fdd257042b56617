"""Alembic's steps for the state's database: `versions/` has one file a step."""
