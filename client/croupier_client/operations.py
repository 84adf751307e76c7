"""The table of all operations: methods, addresses, types, and what may be repeated follow from it."""

from typing import Any, Final, cast

from croupier_client.operation import Operation, command
from croupier_client.parameters import NoParameters, OfBanner, OfEvent, OfVersion
from croupier_schemas import (
    actions,
    admin,
    analytics,
    crash,
    fairness,
    gacha,
    notifications,
    ops,
    rewards,
    rps,
    session,
    sinks,
    slot,
    stats,
)
from croupier_schemas import wallet as purse

PULL = command(
    "gacha.pull",
    "/api/games/gacha/pull",
    gacha.GachaPull,
    gacha.GachaPullReply,
    "gacha.pulled",
    "Draw one or ten items from a banner.",
)
SPIN = command(
    "slot.spin",
    "/api/games/slot/spin",
    slot.SlotSpin,
    slot.SlotSpinReply,
    "slot.spun",
    "Spin the slot machine once.",
)
PLAY = command(
    "rps.play",
    "/api/games/rps/play",
    rps.RpsPlay,
    rps.RpsPlayReply,
    "rps.played",
    "Play rock, paper, scissors once.",
)
BET = command(
    "crash.bet",
    "/api/games/crash/bet",
    crash.CrashBet,
    crash.CrashBetReply,
    "crash.bet_placed",
    "Place a crash bet, which begins a round.",
)
CASHOUT = command(
    "crash.cashout",
    "/api/games/crash/cashout",
    crash.CrashCashout,
    crash.CrashCashoutReply,
    "crash.settled",
    "Cash the open round of crash out.",
)
START_SESSION = command(
    "session.start",
    "/api/games/session/start",
    session.SessionStart,
    session.SessionStartReply,
    "session.started",
    "Open a session in a game, or find the one that is open.",
)
END_SESSION = command(
    "session.end",
    "/api/games/session/end",
    session.SessionEnd,
    session.SessionEndReply,
    "session.ended",
    "End a session, and sum it up.",
)
RECORD_ACTION = command(
    "actions.record",
    "/api/actions",
    actions.ActionsRecord,
    actions.ActionsRecordReply,
    "actions.recorded",
    "Record what a player did in the client.",
)
ROTATE = command(
    "fairness.rotate",
    "/api/fairness/rotate",
    fairness.FairnessRotate,
    fairness.FairnessRotateReply,
    "fairness.rotated",
    "Reveal the server seed, and commit to a new one.",
)
DISTRIBUTE = command(
    "rewards.distribute",
    "/api/rewards/distribute",
    rewards.RewardsDistribute,
    rewards.RewardsDistributeReply,
    "rewards.granted",
    "Grant a reward to one player. For administrators.",
)

GRANT_BULK = Operation(
    "rewards.grant_bulk",
    "/api/admin/rewards/grant-bulk",
    rewards.RewardsGrantBulk,
    rewards.RewardsGrantBulkReply,
    "Grant many rewards, each by itself. For administrators.",
    kind="batch",
)
TICKET = Operation(
    "ws.ticket",
    "/api/games/ws/ticket",
    NoParameters,
    notifications.TicketReply,
    "A ticket for one WebSocket.",
    kind="action",
)
READ_NOTIFICATION = Operation(
    "notifications.read",
    "/api/notifications/{id}/read",
    notifications.NotificationRead,
    notifications.NotificationReadReply,
    "Mark a notification as read.",
    kind="action",
)
NOTIFY = Operation(
    "notifications.send",
    "/api/admin/notifications/send",
    notifications.NotificationSend,
    notifications.Notification,
    "Tell one player something. For administrators.",
    kind="action",
    repeatable=False,
)
BROADCAST = Operation(
    "notifications.broadcast",
    "/api/admin/notifications/broadcast",
    notifications.NotificationBroadcast,
    notifications.Notification,
    "Tell all players something. For administrators.",
    kind="action",
    repeatable=False,
)

BANNERS = Operation(
    "gacha.banners",
    "/api/games/gacha/banners",
    NoParameters,
    gacha.BannersReply,
    "All banners.",
)
GACHA_ODDS = Operation(
    "gacha.odds",
    "/api/games/gacha/odds",
    OfBanner,
    gacha.GachaOddsReply,
    "The exact table of a banner.",
)
GACHA_STATS = Operation(
    "gacha.stats",
    "/api/games/gacha/stats",
    NoParameters,
    gacha.GachaStatsReply,
    "The caller's draws, pity counters and pulls left today.",
)
CRASH_ODDS = Operation(
    "crash.odds", "/api/games/crash/odds", OfVersion, crash.CrashOddsReply, "The exact odds of crash."
)
CRASH_CURRENT = Operation(
    "crash.debug.current",
    "/api/games/crash/debug/current",
    NoParameters,
    crash.CrashCurrentReply,
    "The caller's open round of crash.",
)
SLOT_ODDS = Operation(
    "slot.odds", "/api/games/slot/odds", OfVersion, slot.SlotOddsReply, "The exact table of the slot machine."
)
RPS_ODDS = Operation(
    "rps.odds", "/api/games/rps/odds", OfVersion, rps.RpsOddsReply, "The odds of rock, paper, scissors."
)
WALLET = Operation(
    "wallet", "/api/wallet", NoParameters, purse.WalletReply, "The caller's balances, from the live state."
)
LEDGER = Operation(
    "wallet.ledger",
    "/api/wallet/ledger",
    purse.LedgerQuery,
    purse.LedgerReply,
    "Changes of the caller's balances, newest first.",
)
HISTORY = Operation(
    "games.history",
    "/api/games/history",
    purse.HistoryQuery,
    purse.HistoryReply,
    "The caller's rounds, newest first.",
)
GAME_STATS = Operation(
    "games.stats",
    "/api/games/{game_type}/stats",
    stats.GameStatsQuery,
    stats.GameStatsReply,
    "What the caller's rounds of one game come to.",
)
USER_STATS = Operation(
    "games.user_stats",
    "/api/games/stats/{user_id}",
    stats.UserStatsQuery,
    stats.UserStatsReply,
    "What a player's rounds come to: one's own, or for administrators anybody's.",
)
PROFILE_STATS = Operation(
    "profile.stats",
    "/api/profile/stats",
    NoParameters,
    stats.UserStatsReply,
    "What the caller's rounds come to.",
)
REWARDS = Operation(
    "rewards.list",
    "/api/rewards/users/{id}/rewards",
    rewards.RewardsQuery,
    rewards.RewardsReply,
    "A player's rewards, newest first: one's own, or for administrators anybody's.",
)
FAIRNESS = Operation(
    "fairness",
    "/api/fairness",
    NoParameters,
    fairness.FairnessReply,
    "The caller's commitment, client seed and next nonce.",
)
RECEIPT = Operation(
    "fairness.receipt",
    "/api/fairness/receipts/{event_id}",
    OfEvent,
    cast(type[fairness.ReceiptReply], fairness.ReceiptReply),
    "Everything that is needed to recompute an outcome.",
)
OP = Operation(
    "ops",
    "/api/ops/{op_id}",
    ops.OpQuery,
    ops.OpReply,
    "Whether an attempt was applied.",
)
NOTIFICATIONS = Operation(
    "notifications",
    "/api/notifications",
    notifications.NotificationsQuery,
    notifications.NotificationsReply,
    "The caller's notifications, newest first.",
)
POOLS = Operation(
    "admin.pools",
    "/api/admin/pools",
    admin.PoolsQuery,
    admin.PoolsReply,
    "Stock by banner and rarity. For administrators.",
)
OBSERVED_ODDS = Operation(
    "admin.odds",
    "/api/admin/odds",
    admin.ObservedQuery,
    admin.ObservedReply,
    "Observed against disclosed odds. For administrators.",
)
PLAYER = Operation(
    "admin.player",
    "/api/admin/players/{user_id}",
    admin.PlayerQuery,
    admin.PlayerReply,
    "A player's state. For administrators.",
)
EVENTS = Operation(
    "admin.events",
    "/api/admin/events",
    admin.EventsQuery,
    admin.EventsReply,
    "The event log, newest first. For administrators.",
)
SYNC = Operation(
    "admin.sync",
    "/api/admin/sync",
    NoParameters,
    admin.SyncReply,
    "How far the sinks are. For administrators.",
)
KAFKA_HEALTH = Operation(
    "kafka.health",
    "/api/kafka/health",
    NoParameters,
    sinks.KafkaHealth,
    "How events come to Kafka. For administrators.",
)
OLAP_HEALTH = Operation(
    "olap.health",
    "/api/olap/health",
    NoParameters,
    sinks.OlapHealth,
    "How events come to ClickHouse. For administrators.",
)
FUNNEL = Operation(
    "analytics.funnel",
    "/api/analytics/funnels/buy",
    analytics.FunnelQuery,
    list[analytics.FunnelStage],
    "How far players get in the shop. For administrators.",
)
DRAWN_ODDS = Operation(
    "analytics.odds",
    "/api/analytics/odds",
    analytics.OddsQuery,
    analytics.OddsReply,
    "Observed against disclosed odds over days. For administrators.",
)
RTP = Operation(
    "analytics.rtp",
    "/api/analytics/rtp",
    analytics.RtpQuery,
    analytics.RtpReply,
    "What players get back of what they bet. For administrators.",
)
RETENTION = Operation(
    "analytics.retention",
    "/api/analytics/retention",
    analytics.RetentionQuery,
    analytics.RetentionReply,
    "How many players come back. For administrators.",
)
SERVERS = Operation(
    "admin.operations",
    "/api/admin/operations",
    NoParameters,
    admin.OperationsReply,
    "The servers now. For administrators.",
)

_ALL: Final = [each for each in list(globals().values()) if isinstance(each, Operation)]
OPERATIONS: Final = {operation.name: operation for operation in _ALL}
"""By name."""


def operation_of(name: str) -> Operation[..., Any]:
    """The operation of that name. Raises ValueError."""
    operation = OPERATIONS.get(name)
    if operation is None:
        raise ValueError(f"there is no operation {name!r}; there are: {', '.join(sorted(OPERATIONS))}")
    return operation


OF_EVENT: Final = {operation.emits: operation for operation in _ALL if operation.emits}
"""Commands by the type of their events."""
