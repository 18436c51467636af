"""docker-compose.yml says what the code says."""

import re

import pytest

from tests.deploy.compose import COMPOSE, DATABASES, SERVICES
from tests.deploy.manifests import container, workloads
from tests.deploy.promised import (
    COMMANDS,
    LOG_USERS,
    PORTS,
    READ_MODEL_USERS,
    ROOT,
    SECRETS,
    VARIABLES,
    VERSION,
    settings_of,
)

ours = pytest.mark.parametrize("name", sorted(PORTS))
databases = pytest.mark.parametrize("name", sorted(DATABASES))


def environment(name: str, given: dict[str, str]) -> dict[str, str]:
    """The variables of a container, with those of `.env` given."""
    own = SERVICES[name]["environment"]
    chosen = {variable: given.get(variable) if value is None else value for variable, value in own.items()}
    filled = re.compile(r"\$\{(\w+):-([^}]*)\}")
    return {
        variable: filled.sub(lambda found: given.get(found[1]) or found[2], value)
        for variable, value in chosen.items()
        if value is not None
    }


def test_the_three_services_and_their_two_databases_are_all() -> None:
    assert SERVICES.keys() == PORTS.keys() | DATABASES


@ours
def test_a_service_is_built_from_here_for_its_command(name: str) -> None:
    service = SERVICES[name]

    assert service["image"] == f"qaservice/{name}:{VERSION}"
    assert service["build"] == {"context": ".", "args": {"SERVICE": name}}
    assert name in COMMANDS


@ours
def test_a_service_writes_nothing_and_has_no_rights(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_only_the_two_services_are_published_each_on_its_own_port() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert published == {name: [f"{PORTS[name]}:{PORTS[name]}"] for name in ("eventstore", "projection")}


@ours
def test_variables_are_settings_and_lead_to_the_databases(name: str) -> None:
    variables = environment(name, {})

    settings = settings_of(variables)

    assert SERVICES[name]["environment"].keys() <= VARIABLES
    if name in LOG_USERS:
        assert settings.eventstore() == "esdb://eventstoredb:2113?tls=false"
    if name in READ_MODEL_USERS:
        assert settings.mongodb().endswith("@mongodb:27017")
    else:
        assert SECRETS.isdisjoint(SERVICES[name]["environment"])


def test_every_setting_can_be_made_but_where_things_are() -> None:
    places = {"IP_PORT", "EVENTSTORE_URI", "MONGODB_URI"}

    passed_on = {variable for name in PORTS for variable in SERVICES[name]["environment"]}

    assert passed_on == VARIABLES - places


@ours
def test_settings_come_from_the_environment_file_but_hosts_do_not(name: str) -> None:
    example = dict(re.findall(r"^#? ?([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.M))

    settings = settings_of(environment(name, example | {"STORE_TIMEOUT": "3"}))

    assert settings.store_timeout == 3
    assert settings.ip_port is None
    if name in LOG_USERS:
        assert settings.eventstore() == "esdb://eventstoredb:2113?tls=false"
    if name in READ_MODEL_USERS:
        assert settings.mongodb() == "mongodb://qaservice:secret@mongodb:27017"


@pytest.mark.parametrize("given", [{}, {"MONGODB_USER": "me", "MONGODB_PASS": "mine"}])
def test_mongodb_makes_the_user_that_the_services_log_in_as(given: dict[str, str]) -> None:
    made = environment("mongodb", given)
    made_user = made["MONGO_INITDB_ROOT_USERNAME"], made["MONGO_INITDB_ROOT_PASSWORD"]

    for name in READ_MODEL_USERS:
        used = environment(name, given)
        assert (used["MONGODB_USER"], used["MONGODB_PASS"]) == made_user


@ours
def test_a_service_waits_for_its_databases_to_be_healthy(name: str) -> None:
    needed = ({"eventstoredb"} if name in LOG_USERS else set()) | ({"mongodb"} if name in READ_MODEL_USERS else set())

    assert SERVICES[name]["depends_on"] == {database: {"condition": "service_healthy"} for database in needed}
    assert all("healthcheck" in SERVICES[database] for database in needed)


@databases
def test_a_database_keeps_its_data_in_a_named_volume(name: str) -> None:
    volumes = {volume.split(":")[0] for volume in SERVICES[name]["volumes"]}
    paths = {volume.split(":")[1] for volume in SERVICES[name]["volumes"]}
    in_kubernetes = container(workloads("k8s/with-databases")[name])["volumeMounts"]

    assert volumes <= COMPOSE["volumes"].keys()
    assert {mount["mountPath"] for mount in in_kubernetes} <= paths


@databases
def test_a_database_is_pinned_and_the_same_as_in_kubernetes(name: str) -> None:
    image = SERVICES[name]["image"]

    assert re.fullmatch(r"[\w/]+:\d+\.\d+\.\d+", image)
    assert container(workloads("k8s/with-databases")[name])["image"] == image


def test_everything_comes_back_by_itself_and_says_how_it_is() -> None:
    for service in SERVICES.values():
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
