"""The ledger: append-only, which the database itself sees to. It begins with what happens from here on."""

import sqlalchemy as sa
from alembic import op

revision = "7"
down_revision = "6"

REFUSAL = "the ledger is append-only"


def upgrade() -> None:
    op.create_table(
        "ledger",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(30), nullable=False),
        sa.Column("subject", sa.String(60), nullable=False, index=True),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
    )
    if op.get_context().dialect.name == "sqlite":
        for act in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER ledger_no_{act} BEFORE {act.upper()} ON ledger "
                f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
            )
        op.execute(
            "CREATE TRIGGER ledger_no_replace BEFORE INSERT ON ledger "
            "WHEN NEW.number <= (SELECT max(number) FROM ledger) "
            "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        )
    else:
        op.execute(
            "CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS "
            f"'BEGIN RAISE EXCEPTION ''{REFUSAL}''; END'"
        )
        op.execute(
            "CREATE TRIGGER ledger_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger "
            "FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse()"
        )
