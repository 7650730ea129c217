"""An experiment may be trained again with another seed: the repeat names the one that it repeats."""

import sqlalchemy as sa
from alembic import op

revision = "8"
down_revision = "7"


def upgrade() -> None:
    op.add_column("experiments", sa.Column("repeat_of", sa.String(40)))
    op.create_index("experiments_by_repeat", "experiments", ["repeat_of"])
