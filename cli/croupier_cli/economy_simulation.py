"""`croupier economy simulate`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from croupier.economy.simulate import ROUNDS_MAX, BannerRun, GameRun, simulate_banner, simulate_games
from croupier_cli.economies import usable_economy
from croupier_cli.errors import CannotRun
from croupier_cli.output import JsonFlag, result, result_json
from croupier_cli.progress import showing_progress


def simulate(
    file: Path,
    /,
    *,
    pulls: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=ROUNDS_MAX))],
    banner: str | None = None,
    seed: str = "croupier",
    as_json: JsonFlag = False,
) -> None:
    """Play an economy file, without any server: pulls on each banner, and as many rounds of each other game.

    One player pulls one at a time, from pools as the file gives them, with pity and guarantee. Prints what came out
    beside what is disclosed, the tokens spent per Legendary, and what the other games pay back of the bets (RTP).

    Example: `croupier economy simulate economy.toml --pulls 1000000`

    Parameters
    ----------
    file:
        The file, in TOML or JSON by the end of its name.
    pulls:
        How many pulls, and rounds; a million pulls on a banner take some seconds.
    banner:
        Simulate this banner alone, and no other game.
    seed:
        Any text; the same seed gives the same figures.
    """
    economy = usable_economy(file)
    banners = economy.gacha.banners
    if banner is not None and banner not in banners:
        raise CannotRun(f"{file} has no banner {banner!r}; it has {', '.join(banners)}")
    names = list(banners) if banner is None else [banner]
    with showing_progress(pulls) as progress:
        banner_runs = [simulate_banner(name, banners[name], pulls, seed, progress) for name in names]
        game_runs = list(simulate_games(economy, pulls, seed, progress)) if banner is None else []
    if as_json:
        result_json({"seed": seed, "banners": banner_runs, "games": game_runs})
        return
    texts = [_banner_text(run) for run in banner_runs]
    if game_runs:
        texts.append("\n".join(map(_game_line, game_runs)))
    result("\n\n".join(texts))


def _banner_text(run: BannerRun) -> str:
    lines = [
        f"{run.banner}: {run.pulls:,} pulls",
        f"  {'':<10} {'count':>12} {'share':>11} {'disclosed':>11} {'long run':>11}",
    ]
    lines += [
        f"  {each.rarity:<10} {each.count:>12,} {_percent(each.share):>11} {_percent(each.disclosed):>11} "
        f"{_percent(each.long_run):>11}"
        for each in run.rarities
    ]
    lines.append(
        f"  tokens per Legendary: {_tokens(run.tokens_per_legendary)}, "
        f"in the long run {_tokens(run.tokens_per_legendary_long_run)}"
    )
    if run.downgraded:
        lines.append(f"  {run.downgraded:,} were downgraded to Common, because their pool was empty")
    return "\n".join(lines)


def _game_line(run: GameRun) -> str:
    return f"{run.game}: RTP {run.rtp.percent} %, over {run.rounds:,} rounds {_percent(run.observed)}"


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.4f} %"


def _tokens(amount: float | None) -> str:
    return "unknown" if amount is None else f"{amount:,.0f}"
