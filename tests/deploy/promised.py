"""What the code promises to those who run it: commands, ports, variables. The files for production are held to it."""

import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from pydantic import SecretStr

from qaservice.runtime.settings import Settings
from services import cli
from services.eventstore import main as eventstore
from services.projection import main as projection
from services.projector import main as projector

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
VERSION: str = PROJECT["version"]
COMMANDS = {command.callback.__name__ for command in cli.app.registered_commands if command.callback}
PORTS = {"eventstore": eventstore.PORT, "projector": projector.PORT, "projection": projection.PORT}
LOG_USERS = {"eventstore", "projector"}
READ_MODEL_USERS = {"projection", "projector"}
VARIABLES = {name.upper() for name in Settings.model_fields}
SECRETS = {
    name.upper() for name, field in Settings.model_fields.items() if field.annotation in (SecretStr, SecretStr | None)
}
DRAIN_SECONDS = 10


def supports(python: str) -> bool:
    """Whether all dependencies, those of the databases too, are there for a Python like `3.13`."""
    markers = [Requirement(line).marker for line in PROJECT["dependencies"]]
    return all(marker is None or marker.evaluate({"python_version": python}) for marker in markers)


def settings_of(environment: dict[str, str]) -> Settings:
    """The settings of a process with this environment and no other."""
    fields = Settings.model_fields.items()
    values: dict[str, Any] = {name: environment.get(name.upper()) or field.default for name, field in fields}
    return Settings(**values)
