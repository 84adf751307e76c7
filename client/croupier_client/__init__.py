"""What a Python client team installs: Croupier over HTTP and WebSocket, typed."""
