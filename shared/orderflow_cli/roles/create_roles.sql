-- Makes the roles that are missing, and gives those a password that need one to log in; without one
-- they log in as the server's own rules say.
DO $$
DECLARE
  role text;
  verifier text;
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
    EXCEPTION WHEN duplicate_object OR unique_violation OR internal_error THEN
      NULL;  -- another database's runner does the same at the same time
    END;
  END LOOP;
END $$;
