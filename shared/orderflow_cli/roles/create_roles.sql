-- Makes the roles that are missing, and gives those a password that need one to log in; without one
-- they log in as the server's own rules say. Each keeps what this session was begun with, so that
-- it holds behind a pooler too, where a transaction may run on a connection that was never told.
DO $$
DECLARE
  role text;
  verifier text;
  setting text;
BEGIN
  FOR role, verifier IN
    SELECT key, value FROM jsonb_each_text(current_setting('orderflow.roles')::jsonb)
  LOOP
    BEGIN
      IF to_regrole(role) IS NULL THEN
        EXECUTE format('CREATE ROLE %I LOGIN', role);
      END IF;
      IF verifier IS NOT NULL THEN
        EXECUTE format('ALTER ROLE %I PASSWORD %L', role, verifier);
      END IF;
      FOR setting IN SELECT name FROM pg_settings WHERE source = 'session' LOOP
        EXECUTE format('ALTER ROLE %I SET %I FROM CURRENT', role, setting);
      END LOOP;
    EXCEPTION WHEN duplicate_object OR unique_violation OR internal_error THEN
      NULL;  -- another database's runner does the same at the same time
    END;
  END LOOP;
END $$;
