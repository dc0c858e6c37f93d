"""Makes the roles and grants each what its `grants.sql` says, and takes all else from it."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from knative_local.manifests.loader import load_manifests
from orderflow.database.connection import BEGIN_SESSION, Connection, Json, statement
from orderflow.database.migrate import BEGIN_MIGRATIONS
from orderflow_cli.project import MANIFESTS
from orderflow_cli.roles.passwords import role_password, scram_verifier

MAY_CREATE_ROLES = statement(__file__, "may_create_roles.sql")
NAME_ROLES = statement(__file__, "name_roles.sql")
CREATE_ROLES = statement(__file__, "create_roles.sql")
REVOKE_ALL = statement(__file__, "revoke_all.sql")

OPERATOR = "orderflow_operator"  # of the commands that look into the database and repair it
GRANTS = "grants.sql"
NO_ROLES = "this user may not create the functions' roles: see `orderflow migrate --help`"


def role_of(service: str) -> str:
    """Return the role of a function, whose name is that of its Service or its folder."""
    return f"orderflow_{service.replace('-', '_')}"


def grants_of(project: Path) -> dict[str, Path]:
    """Return where the grants stand of each function of a project that is told of the database.

    The file may not be there: then its role may connect, and no more.
    """
    found = {}
    for service in load_manifests([project / MANIFESTS]).services:
        if any(variable.name == "DATABASE_URL" for variable in service.container.env):
            folder = project / "functions" / service.name.replace("-", "_")
            found[role_of(service.name)] = folder / GRANTS
    return found | {OPERATOR: Path(__file__).with_name(GRANTS)}


def grant(url: str, grants: Mapping[str, Path]) -> bool:
    """Bring the roles of a migrated database up to date; False if this user may not create roles.

    Safe to run twice. Functions that run meanwhile notice nothing.
    """
    passwords = {role: role_password(url, role) for role in grants}
    verifiers = {role: word and scram_verifier(word) for role, word in passwords.items()}
    with closing(Connection(url)) as connection:
        ((may,),) = connection.run(MAY_CREATE_ROLES, roles=list(grants))
        if not may:
            return False
        with connection.transaction():
            connection.script(BEGIN_SESSION)  # again: a pooler may have changed the connection
            connection.run(NAME_ROLES, roles=Json(verifiers))
            connection.script(CREATE_ROLES)
            connection.script(BEGIN_MIGRATIONS)
            connection.script(REVOKE_ALL)
            for path in grants.values():
                if path.is_file():
                    connection.script(statement(str(path), GRANTS))
    return True
