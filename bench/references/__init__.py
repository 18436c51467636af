"""What the services are measured against: programs that do the same work with less, or in the usual way."""
