"""What operators ask of the engine and of Postgres; all of it only with the role `admin`."""
