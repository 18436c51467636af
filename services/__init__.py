"""The processes: event store service, projector, projection service, and the monolith that runs the three in one."""
