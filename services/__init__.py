"""The processes: event store service, projector, projection service, and the monolith that runs the three in one; the
commands of the client and of backups."""
