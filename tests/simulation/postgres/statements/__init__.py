"""Every statement that the model answers: a small function each, beside the import of its text."""

from tests.simulation.postgres.statements import engine, following, healing, pages, projections, sessions
from tests.simulation.postgres.statements.registry import STATEMENTS

__all__ = ["STATEMENTS", "engine", "following", "healing", "pages", "projections", "sessions"]
