"""The WebSocket API. A frame goes one straight way: bytes -> commands -> scripts -> replies -> bytes.

The parts, from the outside in: `endpoints` (who may open which socket), `handshake` and `credentials` (what is asked of
the request), `upgrade` (the switch of protocols), `connection` (frames in and out of one socket, and their bounds),
`codecs` (the subprotocols), `channel` (commands), `sockets` (all sockets of a worker: limits, heartbeats, the end),
`live` (events from Redis to sockets), `greetings` (the newest state, as the first push and after a loss).
"""
