"""Each function's role may do what its statements need, and nothing else."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pg8000 import native

from orderflow.database.connection import BEGIN_SESSION, Connection
from orderflow_cli.roles.grants import OPERATOR, grant, grants_of, role_of
from orderflow_cli.roles.passwords import role_url
from tests.support.function_calls import own_database
from tests.support.privileges import DENIED, VERBS, Privilege, connected, denied, needed
from tests.support.statements import ROOT, Place, definitions, statements_of

FUNCTIONS = {role_of(main.parent.name): main for main in ROOT.glob("functions/*/main.py")}
ROLES = sorted(grants_of(ROOT))
# Run by whoever prepares the database, before there are roles.
PREPARING = {"begin_migrations.sql", "record_migration.sql"}
PREPARING_FOLDERS = {"roles", "restore"}


def statements(role: str) -> list[Path]:
    """The statements that a role's code can run."""
    if role != OPERATOR:
        found = statements_of(Place(FUNCTIONS[role], FUNCTIONS[role].parent.name))
    else:
        commands = sorted(ROOT.glob("shared/orderflow_cli/**/*.py"))
        found = statements_of(*(place for path in commands for place in definitions(path)))
    return sorted(
        p for p in found if p.name not in PREPARING and p.parent.name not in PREPARING_FOLDERS
    )


@pytest.fixture(scope="module")
def url(postgres: str) -> Iterator[str]:
    """The URL of a migrated database with its roles."""
    with own_database(postgres) as url:
        assert grant(url, grants_of(ROOT))
        yield url


@pytest.fixture(scope="module")
def owner(url: str) -> Iterator[native.Connection]:
    with connected(url) as connection:
        yield connection


def granted(owner: native.Connection, role: str) -> set[Privilege]:
    rows = owner.run(
        """SELECT privilege_type, CASE relkind WHEN 'S' THEN 'SEQUENCE ' ELSE '' END || relname
        FROM pg_class, aclexplode(relacl)
        WHERE relnamespace = 'public'::regnamespace AND grantee = to_regrole(:role)""",
        role=role,
    )
    return {(verb, table) for verb, table in rows or []}


def attempts(owner: native.Connection) -> dict[Privilege, str]:
    """A statement that would use each privilege; views are only read."""
    rows = owner.run(
        """SELECT relname, relkind = 'v', min(attname)
        FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')
          AND attnum > 0 AND attidentity = '' AND attgenerated = '' AND NOT attisdropped
        GROUP BY relname, relkind"""
    )
    found = {}
    for table, is_view, column in rows or []:
        for verb in VERBS[:1] if is_view else (*VERBS, "TRUNCATE"):
            found[verb, table] = attempt(verb, table, column)
    sequences = owner.run("SELECT relname FROM pg_class WHERE relkind = 'S'") or []
    return found | {
        ("USAGE", f"SEQUENCE {name}"): f"SELECT nextval('{name}')" for (name,) in sequences
    }


def attempt(verb: str, table: str, column: str) -> str:
    return {
        "SELECT": f"SELECT FROM {table} LIMIT 0",
        "INSERT": f"INSERT INTO {table} DEFAULT VALUES",
        "UPDATE": f"UPDATE {table} SET {column} = {column} WHERE false",
        "DELETE": f"DELETE FROM {table} WHERE false",
        "TRUNCATE": f"TRUNCATE {table}",
    }[verb]


@pytest.mark.parametrize("role", sorted(FUNCTIONS.keys() - set(ROLES)))
def test_a_function_without_a_role_has_no_statement(role: str) -> None:
    assert {path.name for path in statements(role)} <= {"begin_session.sql"}


def test_every_statement_has_a_role_that_runs_it() -> None:
    found = {path for role in ROLES for path in statements(role)}
    there = {*ROOT.glob("functions/*/*.sql"), *ROOT.glob("shared/**/*.sql")}
    others = {path for path in there if path.parent.name in {"migrations", *PREPARING_FOLDERS}}
    others |= {path for path in there if path.name in PREPARING | {"grants.sql"}}

    assert there - others == found


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_exactly_what_its_statements_need(
    role: str, owner: native.Connection
) -> None:
    wanted: dict[Privilege, list[str]] = {}
    for path in statements(role):
        for privilege in needed(owner, path.read_text()):
            wanted.setdefault(privilege, []).append(path.name)
    has, file = granted(owner, role), grants_of(ROOT)[role].relative_to(ROOT)

    add = [
        f"add to {file}: GRANT {verb} ON {table} TO {role};  -- {', '.join(wanted[verb, table])}"
        for verb, table in sorted(wanted.keys() - has)
    ]
    remove = [
        f"no statement needs what {file} grants: {verb} ON {table}"
        for verb, table in sorted(has - wanted.keys())
    ]
    assert add + remove == []


@pytest.mark.parametrize("role", ROLES)
def test_a_role_runs_every_statement_of_its_code(role: str, url: str) -> None:
    found = statements(role)
    assert found
    with connected(role_url(url, role)) as connection:
        for path in found:
            connection.run("BEGIN")
            assert denied(connection, path.read_text()) is None, path.name
            connection.run("ROLLBACK")


@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_refused_everything_else(role: str, url: str, owner: native.Connection) -> None:
    others = attempts(owner)
    for privilege in granted(owner, role):
        del others[privilege]
    with connected(role_url(url, role)) as connection:
        taken = [
            (verb, table)
            for (verb, table), sql in others.items()
            if denied(connection, sql) != table.removeprefix("SEQUENCE ")
        ]

    assert len(others) > 30
    assert taken == []


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO PROGRAM 'cat > /dev/null'",
        "CREATE TEMPORARY TABLE got (line text); COPY got FROM PROGRAM 'id'",
        "COPY (SELECT 1) TO '/tmp/written-by-a-function'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT rolpassword FROM pg_authid",
        "SET ROLE orderflow_owner",
        "CREATE TABLE own (id integer)",
        "CREATE FUNCTION own() RETURNS integer LANGUAGE sql RETURN 1",
        "CREATE ROLE own SUPERUSER",
        "ALTER TABLE orders DISABLE TRIGGER ALL",
        "DROP TRIGGER stock_never_oversold_update ON stock",
        "SET session_replication_role = replica",
        "ALTER SYSTEM SET log_statement = 'all'",
    ],
)
def test_a_role_gets_nowhere_beyond_the_tables(role: str, sql: str, url: str) -> None:
    with connected(role_url(url, role)) as connection:
        with pytest.raises(native.DatabaseError) as refused:
            connection.execute_simple(sql)
        assert refused.value.args[0]["C"] == DENIED


@pytest.mark.parametrize("counting", ["placed", "moved", "deleted"])
def test_a_role_does_not_count_orders_that_there_are_not(counting: str, url: str) -> None:
    with connected(role_url(url, role_of("create_order"))) as connection:
        connection.execute_simple("CREATE TEMPORARY TABLE mine (status text)")
        with pytest.raises(native.DatabaseError) as refused:
            connection.execute_simple(
                f"""CREATE TRIGGER counted AFTER INSERT ON mine REFERENCING NEW TABLE AS {counting}
                FOR EACH STATEMENT EXECUTE FUNCTION count_{counting}_orders()"""
            )
        assert refused.value.args[0]["C"] == DENIED


@pytest.mark.parametrize("role", ROLES)
def test_a_connection_that_a_pooler_made_is_as_one_of_ours(role: str, url: str) -> None:
    names = re.findall(r"^SET (\w+)", BEGIN_SESSION, re.MULTILINE)
    shown = "SELECT " + ", ".join(f"current_setting('{name}')" for name in names)

    with connected(role_url(url, role)) as unbegun, closing(Connection(url)) as begun:
        assert len(names) >= 9
        assert unbegun.run(shown) == begun.run(shown)


def test_tables_belong_to_a_role_that_nobody_logs_in_as(owner: native.Connection) -> None:
    rows = owner.run(
        """SELECT DISTINCT rolname, rolcanlogin, rolsuper
        FROM pg_class JOIN pg_roles ON pg_roles.oid = relowner
        WHERE relnamespace = 'public'::regnamespace"""
    )

    assert rows == [["orderflow_owner", False, False]]


def test_a_right_of_an_earlier_version_is_taken_again(url: str, owner: native.Connection) -> None:
    role = role_of("create_order")
    before = granted(owner, role)
    owner.run(f"GRANT DELETE ON orders TO {role}")

    assert grant(url, grants_of(ROOT))

    assert granted(owner, role) == before


def test_a_user_who_may_not_create_roles_is_told_so(url: str, owner: native.Connection) -> None:
    owner.run("CREATE ROLE modest LOGIN")
    try:
        assert not grant(role_url(url, "modest"), grants_of(ROOT))
    finally:
        owner.run("DROP ROLE modest")


@pytest.mark.parametrize("role", ROLES)
def test_a_file_of_grants_grants_to_its_own_role_only(role: str) -> None:
    text = grants_of(ROOT)[role].read_text()

    assert set(re.findall(r"TO (\w+);", text)) == {role}
    assert text.count("GRANT ") == text.count(f"TO {role};")
