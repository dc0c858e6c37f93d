-- One audit at a time, in all processes: true for who is alone until this transaction ends. The
-- number is this project's own and means nothing.
SELECT pg_try_advisory_xact_lock(4177002);
