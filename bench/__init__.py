"""How fast the services are, as ratios against reference programs that run in the same minutes on the same machine."""
