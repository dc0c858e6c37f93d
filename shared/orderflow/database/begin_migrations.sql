-- One runner at a time; the number is this project's own and means nothing. Whatever is made then
-- belongs to a role that nobody logs in as, so that no function owns a table, unless this user may
-- not create it: then all is the user's own.
SELECT pg_advisory_xact_lock(4177001);
DO $$
DECLARE
  hand_over text;
BEGIN
  IF to_regrole('orderflow_owner') IS NULL THEN
    IF NOT (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user) THEN
      RETURN;
    END IF;
    BEGIN
      CREATE ROLE orderflow_owner NOLOGIN;
      GRANT orderflow_owner TO current_user;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL;  -- for another database of this server, at the same time
    END;
  END IF;
  IF has_schema_privilege(current_schema(), 'CREATE WITH GRANT OPTION')
    AND NOT has_schema_privilege('orderflow_owner', current_schema(), 'CREATE') THEN
    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO orderflow_owner', current_schema());
  END IF;
  IF NOT pg_has_role('orderflow_owner', 'MEMBER')
    OR NOT has_schema_privilege('orderflow_owner', current_schema(), 'CREATE') THEN
    RETURN;
  END IF;
  -- What was made before there was this role.
  FOR hand_over IN
    SELECT format('ALTER TABLE %s OWNER TO orderflow_owner', oid::regclass) FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v')
      AND relowner = current_user::regrole
    UNION ALL
    SELECT format('ALTER ROUTINE %s OWNER TO orderflow_owner', oid::regprocedure) FROM pg_proc
    WHERE pronamespace = current_schema()::regnamespace AND proowner = current_user::regrole
  LOOP
    EXECUTE hand_over;
  END LOOP;
  SET LOCAL ROLE orderflow_owner;
END $$;
CREATE TABLE IF NOT EXISTS migrations (
  name text PRIMARY KEY,
  applied_at timestamptz NOT NULL DEFAULT now()
);
