-- What this function may do in the database; all else is refused.
GRANT SELECT, UPDATE ON redriven_letters TO orderflow_keep_dead_letter;
GRANT SELECT, INSERT, UPDATE ON dead_letters TO orderflow_keep_dead_letter;
