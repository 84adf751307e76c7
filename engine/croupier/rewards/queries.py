"""The list of a player's rewards."""

from croupier.command import Caller
from croupier.errors import CroupierError
from croupier.paging import AS_OF, Place, read_page, require_one_way
from croupier.partition import PARTITIONS
from croupier.query import Query, Sources
from croupier_schemas.events import EventId
from croupier_schemas.rewards import Reward, RewardsQuery, RewardsReply

_REWARDS = f"""
WITH wanted AS NOT MATERIALIZED (SELECT * FROM user_rewards WHERE uid = $2)
SELECT (SELECT count(*) FROM wanted) AS total, {AS_OF}, page.*
FROM (VALUES (1)) AS always_one
LEFT JOIN LATERAL (
    SELECT epoch, seq, 0 AS line, reward_type, amount, source_description, key, granted_by, created_at
    FROM wanted
    WHERE $3::bigint IS NULL OR (epoch, seq) < ($3, $4)
    ORDER BY epoch DESC, seq DESC
    LIMIT $5 OFFSET $6
) AS page ON true
ORDER BY epoch DESC, seq DESC
"""


async def rewards(sources: Sources, caller: Caller, params: RewardsQuery) -> RewardsReply:
    """A page of a player's rewards, newest first. Raises CroupierError FORBIDDEN, VALIDATION_ERROR and NOT_READY."""
    if caller.uid != params.id and caller.role != "admin":
        raise CroupierError("FORBIDDEN")
    require_one_way(params.offset, params.cursor)
    place, partition = Place.parse(params.cursor), params.id % PARTITIONS
    page = await read_page(
        sources,
        params.limit,
        _REWARDS,
        partition, params.id, place and place.epoch, place and place.seq, params.limit + 1, params.offset,
    )  # fmt: skip
    items = [
        Reward(
            reward_type=row["reward_type"],
            amount=row["amount"],
            source_description=row["source_description"],
            key=row["key"] or None,
            granted_by=row["granted_by"],
            created_at=row["created_at"],
            event_id=str(EventId(partition, row["epoch"], row["seq"])),
        )
        for row in page.rows
    ]
    return RewardsReply(page.total, items, page.next_cursor, page.as_of)


REWARDS = Query(
    name="rewards.list",
    path="/api/rewards/users/{id}/rewards",
    summary="The rewards of a player, newest first: one's own, or as an admin anyone's",
    params=RewardsQuery,
    reply=RewardsReply,
    answer=rewards,
    without_redis=True,
    errors=("FORBIDDEN",),
)
