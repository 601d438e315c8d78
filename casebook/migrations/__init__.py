"""The casebook's tables from version to version, by Alembic."""
