"""A cycle may have several meetings: what was planned ahead, and where that did not hold, the next."""

import sqlalchemy as sa
from alembic import op

revision = "6"
down_revision = "5"

KEYS = {
    "recollections": [],
    "directives": [],
    "proposals": ["proposal_id"],
    "reviews": ["proposal_id", "reviewer"],
    "votes": ["proposal_id", "role"],
    "decisions": ["proposal_id"],
    "approvals": ["stage"],
}


def upgrade() -> None:
    op.add_column("cycles", _meeting())
    op.add_column("experiments", _meeting())
    for table, keys in KEYS.items():
        # SQLite can't change a key, so the table is made anew and filled.
        op.rename_table(table, f"old_{table}")
        op.create_table(
            table,
            sa.Column("cycle_id", sa.Integer(), sa.ForeignKey("cycles.id"), primary_key=True),
            sa.Column("meeting", sa.Integer(), primary_key=True, autoincrement=False, server_default="0"),
            *(sa.Column(key, sa.String(60), primary_key=True) for key in keys),
            sa.Column("position", sa.Integer(), nullable=False),
            sa.Column("body", sa.JSON(), nullable=False),
        )
        columns = ", ".join(["cycle_id", *keys, "position", "body"])
        # Nothing of it comes from outside.
        op.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM old_{table}")  # noqa: S608
        op.drop_table(f"old_{table}")


def _meeting() -> sa.Column[int]:
    return sa.Column("meeting", sa.Integer(), nullable=False, server_default="0")
