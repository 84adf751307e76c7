"""Faults in what clients report, and in what operators are told of it."""

from tests.mutants.mutation import Mutation

_ANALYTICS = "engine/croupier/analytics"
_RECORD = ("tests/commands/test_actions_record.py",)
_EXPORT = "sync/croupier_sync/export"
_TOPICS = ("tests/export/test_sink_topics.py",)
_FAILURES = ("tests/export/test_sink_failures.py",)
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
    Mutation(
        "generation-ignored-at-the-start",
        "a broker that came back empty, and was filled again, keeps events from ClickHouse for ever",
        f"{_EXPORT}/reading.py",
        """ or any(
            row["generation"] != published.generation for row in rows
        ):""",
        ":",
        _TOPICS,
        "when_it_begins",
    ),
    Mutation(
        "generation-ignored-while-reading",
        "the same, while the sink reads on",
        f"{_EXPORT}/reading.py",
        "if published.generation != self._generation:",
        "if published.generation < self._generation:",
        _TOPICS,
        "while_it_reads",
    ),
    Mutation(
        "batch-recorded-after-the-insert",
        "an insert whose answer was lost, and the one after it, are both counted",
        f"{_EXPORT}/carrying.py",
        """        self._taken.complete_up_to(partition, after)
        if batch is not None:
            await self._writer.write(connection, batch, rows)
""",
        """            if batch is not None:
                await self._writer.write(connection, batch, rows)
        self._taken.complete_up_to(partition, after)
""",
        _TOPICS,
        "after_the_next_attempt_has_begun",
    ),
    Mutation(
        "batch-of-messages-recorded-after-the-insert",
        "the same with events that came through Kafka",
        f"{_EXPORT}/reading.py",
        """        self._offsets.update(offsets)
        if batch is not None:
            await self._writer.write(connection, batch, rows)
""",
        """            if batch is not None:
                await self._writer.write(connection, batch, rows)
        self._offsets.update(offsets)
""",
        _TOPICS,
        "after_the_next_attempt_has_begun",
    ),
    Mutation(
        "dead-letters-replayed-without-a-lock",
        "two who replay at the same time both say that they did it, and one of them may insert a row of its own",
        f"{_EXPORT}/dead_letters.py",
        " WHERE id = $1 FOR UPDATE",
        " WHERE id = $1",
        _FAILURES,
        "refuses",
    ),
    Mutation(
        "complete-before-the-ends-are-reached",
        "events that are still to be read in Kafka pass for taken, and never come to ClickHouse",
        f"{_EXPORT}/reading.py",
        """        if any(self._offsets.get(place, 0) < end.offset for place, end in goal.ends.items()):
            return
""",
        "",
        _TOPICS,
        "nothing_counts_as_complete",
    ),
)
