-- What this function may do in the database; all else is refused.
GRANT SELECT, UPDATE ON dead_letters, orders TO orderflow_redrive;
GRANT SELECT, INSERT ON redriven_letters, redrives TO orderflow_redrive;
GRANT SELECT, INSERT ON first_answers TO orderflow_redrive;
GRANT SELECT, DELETE ON attempts TO orderflow_redrive;
