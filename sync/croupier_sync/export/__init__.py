"""Carrying events on from Postgres, to Kafka and to ClickHouse, in a process that is not the sync daemon's."""
