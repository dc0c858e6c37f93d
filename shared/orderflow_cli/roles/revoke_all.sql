-- Takes what was granted for an earlier version; what is needed now is granted with it, at once.
DO $$
DECLARE
  role text;
BEGIN
  FOR role IN SELECT jsonb_object_keys(current_setting('orderflow.roles')::jsonb) LOOP
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM %I', current_schema(), role);
    EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA %I FROM %I', current_schema(), role);
  END LOOP;
END $$;
