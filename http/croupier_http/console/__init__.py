"""The part of the console's data that only the HTTP server has: what it counts."""
