"""`croupier load`: sends load to a server, and says what came of it."""
