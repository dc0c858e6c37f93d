-- Whether this user may make these roles, or change those that there are, and the schema's owner
-- may grant to them.
SELECT coalesce(pg_has_role(to_regrole('orderflow_owner'), 'MEMBER'), false)
  AND (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user)
  AND coalesce((
    SELECT bool_and(pg_has_role(oid, 'MEMBER WITH ADMIN OPTION'))
    FROM pg_roles WHERE rolname = ANY(CAST(:roles AS text[]))
  ), true)
  AND EXISTS (
    SELECT FROM pg_class
    WHERE oid = to_regclass('migrations') AND relowner = to_regrole('orderflow_owner')
  );
