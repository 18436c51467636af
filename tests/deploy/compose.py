"""docker-compose.yml, parsed."""

from typing import Any

import yaml

from tests.deploy.promised import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DATABASES = {"eventstoredb", "mongodb"}
