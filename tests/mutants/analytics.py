"""Faults in what clients report, and in what operators are told of it."""

from tests.mutants.mutation import Mutation

_ANALYTICS = "engine/croupier/analytics"
_RECORD = ("tests/commands/test_actions_record.py",)
_QUESTIONS = ("tests/analytics/test_questions.py",)

MUTATIONS = (
    Mutation(
        "banned-player-reports",
        "a banned player goes on writing into the log, which is kept for ever",
        "lua/croupier_lua/actions/record.lua",
        "-- @stage ban\n",
        "",
        _RECORD,
        "a_banned_player",
    ),
    Mutation(
        "report-answered-in-another-order",
        "a repeated report is answered in other bytes than the first one",
        "engine/croupier/actions/record.py",
        "_decode(_encode(request.action_data))",
        "request.action_data",
        _RECORD,
        "byte_for_byte",
    ),
    Mutation(
        "rounds-counted-twice",
        "a batch that ClickHouse holds twice until parts are merged counts twice in the return to players",
        f"{_ANALYTICS}/rtp.py",
        "    FROM game_events FINAL\n",
        "    FROM game_events\n",
        _QUESTIONS,
        "sums_and_interval",
    ),
    Mutation(
        "pity-forgotten-within-a-pull",
        "the odds of a draw are taken from the counters that the whole pull found, and pity looks like luck",
        f"{_ANALYTICS}/odds.py",
        "if(last_{name} = 0, pity_{name} + draw - 1, draw - 1 - last_{name}) AS found_{name}",
        "pity_{name} AS found_{name}",
        _QUESTIONS,
        "the_model_counts_and_expects",
    ),
    Mutation(
        "refused-purchase-in-the-funnel",
        "a purchase that the gateway refused counts as a success",
        f"{_ANALYTICS}/funnel.py",
        " AND JSONExtractUInt(result, 'gems_granted') > 0",
        "",
        _QUESTIONS,
        "players_count_in_order",
    ),
    Mutation(
        "days-in-utc",
        "players who come after midnight in Seoul come back on the day before",
        f"{_ANALYTICS}/retention.py",
        "[toDate(first_at, {zone:String}), toDate(last_at, {zone:String})]",
        "[toDate(first_at, 'UTC'), toDate(last_at, 'UTC')]",
        _QUESTIONS,
        "cohorts_are_those_of_the_log",
    ),
    Mutation(
        "guarantee-overlooked",
        "items that only a guarantee makes likely look as if they were favoured",
        f"{_ANALYTICS}/odds.py",
        'featured if row["guarantee"] else weights',
        "weights",
        _QUESTIONS,
        "the_model_counts_and_expects",
    ),
)
