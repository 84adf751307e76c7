"""What is shown of a long task: how much is done, how fast, and how long it will still take."""

from croupier_cli.progress import rate_line


def test_given_a_quarter_done_then_the_line_has_bar_rate_and_time_left() -> None:
    assert rate_line("verifying", 250_000, 1_000_000, 10.0, "events") == (
        "verifying [######------------------] 25 %, 250,000 of 1,000,000 events, 25,000/s, 30 s left"
    )


def test_given_nothing_done_or_nothing_to_do_then_no_rate_is_invented() -> None:
    assert (
        rate_line("verifying", 0, 9, 0.0, "events")
        == "verifying [------------------------] 0 %, 0 of 9 events"
    )
    assert (
        rate_line("verifying", 0, 0, 1.0, "events")
        == "verifying [########################] 100 %, 0 of 0 events"
    )
