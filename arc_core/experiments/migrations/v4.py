"""What a cycle has spent on models is asked before each call, and no longer reads every call there was."""

from alembic import op

revision = "4"
down_revision = "3"


def upgrade() -> None:
    op.create_index("calls_by_cycle", "calls", ["cycle_id"])
