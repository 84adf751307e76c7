"""`croupier report`: what the analytics say, as one page that needs no server and no network."""
