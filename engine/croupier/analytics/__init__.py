"""What operators ask ClickHouse: one module per question, each with its SQL. Table and columns: `docs/analytics.md`."""
